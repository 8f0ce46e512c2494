package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// validateKeys reports mistakes in the keys of the API.
func (l *loader) validateKeys() {
	names := make(map[string]string)
	for i, k := range l.config.Access.Keys {
		path := fmt.Sprintf("access.key[%d]", i)
		switch {
		case l.bad[path+".name"]:
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
		l.refuse(path, " has neither secret-file nor secret; it needs one of them")
	case k.Secret != "" && k.SecretFile != "":
		l.refuse(path+".secret", " and secret-file (line %d) exclude each other", l.config.sources[path+".secret-file"].Line)
	case len(strings.Fields(string(k.Secret))) > 1:
		l.refuse(path+".secret", " has spaces; it must be one word")
	}
	l.each(path+".read", k.Read, checkRight)
	l.each(path+".write", k.Write, checkRight)
	l.each(path+".list", k.List, checkRight)
	l.each(path+".manage", k.Manage, checkRight)
	if len(k.Read)+len(k.Write)+len(k.List)+len(k.Manage) == 0 && l.good(path+".read", path+".write", path+".list", path+".manage") {
		l.refuse(path, " has no rights; it needs at least one of read, write, list and manage, such as write = [\"news.>\"]")
	}
}

// algorithms are those of tokens, each with the kind of its keys.
var algorithms = map[string]string{
	"HS256": "HMAC", "HS384": "HMAC", "HS512": "HMAC", "RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "PS256": "RSA", "PS384": "RSA", "PS512": "RSA",
	"ES256": "ECDSA", "ES384": "ECDSA", "ES512": "ECDSA", "EdDSA": "Ed25519",
}

// needs reports whether an algorithm is in use whose keys are secret, or public.
func (t *Token) needs(secret bool) bool {
	return slices.ContainsFunc(t.Algorithms, func(a string) bool { return (algorithms[a] == "HMAC") == secret })
}

func (t *Token) hasPublicKeys() bool {
	return len(t.PublicKeyFiles) > 0 || t.JWKSFile != "" || t.JWKSURL != ""
}

func (l *loader) validateToken() {
	t := &l.config.Token
	for _, a := range t.Algorithms {
		if algorithms[a] == "" {
			l.refuse("token.algorithms", " has %q; it must have some of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and EdDSA", a)
			return
		}
	}
	l.validateTokenKeys(t)
	if t.Cookie != "" && !isToken(t.Cookie) {
		l.refuse("token.cookie", " is %q; it must be the name of a cookie, such as session", t.Cookie)
	}
	if t.UserClaim == "" {
		l.refuse("token.user-claim", " is empty; it must be the name of a claim, such as sub")
	}
	if t.JWKSFile != "" && t.JWKSURL != "" {
		l.refuse("token.jwks-url", " and %s exclude each other", l.nameOf("token.jwks-file", "token.jwks-url"))
	}
	l.checkURL("token.jwks-url", t.JWKSURL)
}

// validateTokenKeys reports algorithms without keys, and keys without algorithms.
func (l *loader) validateTokenKeys(t *Token) {
	const secret, public, by = "token.hmac-secret-file", "token.public-key-files", "token.algorithms"
	switch {
	case t.needs(true) && t.HMACSecretFile == "":
		l.refuse(by, " has %s without %s, the file with its secret", strings.Join(t.Algorithms, ","), l.nameOf(secret, by))
	case !t.needs(true) && t.HMACSecretFile != "":
		l.refuse(secret, " is given, but %s has none of HS256, HS384 and HS512", l.nameOf(by, secret))
	}
	switch {
	case t.needs(false) && !t.hasPublicKeys():
		l.refuse(by, " has %s without a public key: %s, %s or %s", strings.Join(t.Algorithms, ","), l.nameOf(public, by), l.nameOf("token.jwks-file", by), l.nameOf("token.jwks-url", by))
	case !t.needs(false) && t.hasPublicKeys():
		l.refuse(by, " has no algorithm for the public keys that are given, such as RS256, ES256 or EdDSA")
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
	if b.Fallback != "deny" && b.Fallback != "allow" {
		l.refuse("backend.fallback", " is %q; it must be deny or allow", b.Fallback)
	}
}

// checkURL reports what is wrong with a URL, if there is one. It shows the URL only if there is no password in it.
func (l *loader) checkURL(path, text string) {
	u, err := url.Parse(text)
	switch {
	case text == "":
	case err != nil:
		l.refuse(path, " is not a URL; it must be one such as https://app.example.org/fanfare")
	case u.User != nil:
		l.refuse(path, " has a user or a password, which a log could show; it must have none")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		l.refuse(path, " is %q; it must be a URL such as https://app.example.org/fanfare", text)
	}
}
