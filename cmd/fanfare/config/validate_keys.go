package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/backend"
)

// validateKeys reports mistakes in the keys of the API.
func (l *loader) validateKeys() {
	names := make(map[string]string)
	for i, k := range l.config.Access.Keys {
		path := fmt.Sprintf("access.key[%d]", i)
		switch {
		case l.bad[path+".name"]:
		case k.Name == "token":
			l.refuse(path+".name", " is \"token\", the name of the key of -token-file; it must be another one")
		case k.Name == "":
			l.refuse(path, " has no name; logs name the key by it")
		case !isToken(k.Name):
			l.refuse(path+".name", " is %q; it must have letters, digits and - . _", k.Name)
		case names[k.Name] != "":
			l.refuse(path+".name", " is %q, as that of %s is; each key needs a name of its own", k.Name, names[k.Name])
		default:
			names[k.Name] = path
		}
		l.validateKey(path, k)
	}
}

func (l *loader) validateKey(path string, k Key) {
	switch {
	case !l.good(path+".secret", path+".secret-file"):
	case k.Secret == "" && k.SecretFile == "":
		l.refuse(path+".secret-file", " is missing; the key needs it, or secret")
	case k.Secret != "" && k.SecretFile != "":
		l.refuse(path+".secret", " and secret-file (line %d) exclude each other", l.config.sources[path+".secret-file"].Line)
	case len(strings.Fields(string(k.Secret))) > 1:
		l.refuse(path+".secret", " has spaces; it must be one word")
	}
	g := k.grants()
	l.rights(path, g)
	if g.Empty() && l.good(path+".read", path+".write", path+".list", path+".manage") {
		l.refuse(path, " has no rights; it needs at least one of read, write, list and manage, such as write = [\"news.>\"]")
	}
}

func (l *loader) validateToken() {
	t := &l.config.Token
	if t.Cookie != "" && !isToken(t.Cookie) {
		l.refuse("token.cookie", " is %q; it must be the name of a cookie, such as session", t.Cookie)
	}
	l.rights("token.granted", t.Granted.grants())
	l.checkURL("token.jwks-url", t.JWKSURL)
	for _, c := range []struct {
		path  string
		given bool
	}{
		{"token.algorithms", len(t.Algorithms) > 0}, {"token.audience", len(t.Audience) > 0}, {"token.issuer", t.Issuer != ""},
		{"token.require-expiry", t.RequireExpiry}, {"token.max-lifetime", t.MaxLifetime > 0},
	} {
		if c.given && !t.Configured() && l.good("token.secret-files", "token.public-key-files", "token.jwks-file", "token.jwks-url") {
			l.refuse(c.path, " is given without a key for tokens: %s, %s, %s or %s", l.nameOf("token.secret-files", c.path), l.nameOf("token.public-key-files", c.path),
				l.nameOf("token.jwks-file", c.path), l.nameOf("token.jwks-url", c.path))
		}
	}
}

func (l *loader) validateLog() {
	if c := &l.config.Log; c.Format != "text" && c.Format != "json" {
		l.refuse("log.format", " is %q; it must be text or json", c.Format)
	}
	if c := &l.config.Log; !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Level) {
		l.refuse("log.level", " is %q; it must be debug, info, warn or error", c.Level)
	}
}

func (l *loader) validateBackend() {
	b := &l.config.Backend
	l.checkURL("backend.connect", b.Connect)
	l.checkURL("backend.subscribe", b.Subscribe)
	l.checkURL("backend.publish", b.Publish)
	for _, h := range b.Headers {
		if !isToken(h) {
			l.refuse("backend.headers", " has %q; it must have names of fields, such as Cookie", h)
			break
		}
	}
	l.each("backend.omit", b.Omit, backend.CheckOmitted)
	if b.Fallback != "deny" && b.Fallback != "allow" {
		l.refuse("backend.fallback", " is %q; it must be deny or allow", b.Fallback)
	}
}

// checkURL reports what is wrong with a URL, if there is one. It shows nothing of the URL that may be secret.
func (l *loader) checkURL(path, text string) {
	u, err := url.Parse(text)
	field, _, _ := strings.Cut(path, "[")
	f := settings().byPath[field]
	switch {
	case text == "":
	case err != nil:
		l.refuse(path, " is not a URL; it must be one such as https://app.example.org/fanfare")
	case u.User != nil:
		l.refuse(path, " has a user or a password, which a log could show; it must have none")
	case u.Scheme != "http" && u.Scheme != "https" && u.Hostname() != "":
		l.refuse(path, " is %q; its scheme must be https or http", f.mask(text))
	case u.Hostname() == "":
		l.refuse(path, " is %q; it must be a URL such as https://app.example.org/fanfare", f.mask(text))
	}
}
