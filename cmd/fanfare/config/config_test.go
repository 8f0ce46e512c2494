package config

import (
	"reflect"
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
