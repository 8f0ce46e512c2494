package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDefault(t *testing.T) {
	c := Default()
	switch {
	case c.Limits.MaxMessage != 1<<20, c.Limits.Ping != 25*time.Second, c.Limits.MaxConnsPerAddr != 1000:
		t.Errorf("%+v", c.Limits)
	case !reflect.DeepEqual(c.Listen, []Listener{{Addr: "localhost:8080"}}):
		t.Errorf("%+v", c.Listen)
	case !reflect.DeepEqual(c.Access.Anonymous, Anonymous{Read: []string{">"}, Write: []string{">", "@>"}, List: []string{">"}, Manage: []string{">", "@>"}}):
		t.Errorf("%+v", c.Access.Anonymous)
	}
}

// Every field has a name in the file, and a flag and a variable unless it is a table of keys.
func TestNames(t *testing.T) {
	for path, want := range map[string][2]string{
		"limits.max-message": {"max-message", "FANFARE_MAX_MESSAGE"}, "access.token-file": {"token-file", "FANFARE_TOKEN_FILE"},
		"tls.acme.domains": {"acme-domains", "FANFARE_ACME_DOMAINS"}, "token.jwks-url": {"jwt-jwks-url", "FANFARE_JWT_JWKS_URL"},
		"listen": {"addr", "FANFARE_ADDR"}, "topic": {"topic", "FANFARE_TOPIC"}, "shutdown.drain": {"drain", "FANFARE_DRAIN"},
		"limits.conn-message-rate": {"conn-message-rate", "FANFARE_CONN_MESSAGE_RATE"}, "admin.addr": {"admin", "FANFARE_ADMIN"},
		"access.key": {"", ""}, "access.anonymous.read": {"anonymous-read", "FANFARE_ANONYMOUS_READ"}, "compress": {"compress", "FANFARE_COMPRESS"},
		"compress-level":      {"compress-level", "FANFARE_COMPRESS_LEVEL"},
		"limits.http-timeout": {"http-timeout", "FANFARE_HTTP_TIMEOUT"}, "tls.acme.ca-root": {"acme-ca-root", "FANFARE_ACME_CA_ROOT"},
	} {
		f := settings().byPath[path]
		if f == nil || f.flag != want[0] || f.env != want[1] {
			t.Errorf("%s: %+v, want %q", path, f, want)
		}
	}
	for _, f := range settings().fields {
		if f.help == "" || f.group == "" || f.flag == "" && f.path != "access.key" {
			t.Errorf("%s has the flag %q, the group %q and the help %q", f.path, f.flag, f.group, f.help)
		}
	}
}

// What callers without a key or token may do by default depends on who decides otherwise.
func TestDerivedRights(t *testing.T) {
	key := write(t, "key.toml", "[[access.key]]\nname = 'a'\nsecret = '0123456789abcdef'\nread = ['>']")
	for _, c := range []struct {
		flags       string
		read, write int // how many patterns
		exposed     string
	}{
		{"", 1, 2, "publish and disconnect others"},
		{"-anonymous-write chat.>", 1, 1, "disconnect others"},
		{"-anonymous-write > -anonymous-manage none", 1, 1, ""},
		{"-anonymous-manage none", 1, 2, "publish"},
		{"-token-file x", 1, 0, ""},
		{"-config " + key, 1, 0, ""},
		{"-jwt-secret-files x", 0, 0, ""},
		{"-backend-connect http://x/", 0, 0, ""},
		{"-backend-subscribe http://x/", 0, 0, ""}, // it is asked only where there is no right
		{"-backend-publish http://x/", 1, 0, ""},   // it is not asked about messages that come over HTTP
		{"-backend-publish http://x/ -anonymous-write chat.>", 1, 1, ""},
	} {
		l := Load(append(strings.Fields(c.flags), "-addr", ":8080"), nil)
		a := l.Config.Access.Anonymous
		if len(l.Problems) > 0 || len(a.Read) != c.read || len(a.List) != c.read || len(a.Write) != c.write || l.Config.Exposed() != c.exposed {
			t.Errorf("%s: %v %+v, exposed: %q", c.flags, l.Problems, a, l.Config.Exposed())
		}
	}
}
