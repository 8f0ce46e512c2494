package wsproto

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

// logged is a log that tests read.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// hostTests are for a plain connection to 127.0.0.1. Origin is the Host's own with
// http, unless there is one.
var hostTests = []struct {
	host, origin string
	status       int // of a handshake, if not 101
}{
	{host: "127.0.0.1:8080"},
	{host: "192.168.1.7"},
	{host: "203.0.113.7:8080"},
	{host: "[2001:db8::1]:8080"},
	{host: "[::1]"},
	{host: "localhost:8080"},
	{host: "LOCALHOST"},
	{host: "localhost.:8080"},
	{host: "chat.localhost:8080"},
	{host: "nas:8080"},
	{host: "printer.local"},
	{host: "x.y.internal:1"},
	{host: "router.lan"},
	{host: "router.home.arpa"},
	{host: "site.test:3000"},
	{host: "mine.example:8080"},
	{host: "a.theirs.example:8080"},
	{host: "friend.example:8080", origin: "http://friend.example:8080"},
	{host: "proxied.example:80", origin: "http://proxied.example"},
	{host: "proxied.example:443", origin: "https://proxied.example"},
	{host: "proxied.example", origin: "https://proxied.example"},
	{host: "proxied.example:443", origin: "https://friend.example:8080", status: 403},
	{host: "evil.example:443", origin: "http://evil.example:443", status: 421},
	{host: "evil.example:443", origin: "-", status: 421},
	{host: "proxied.example:80", origin: "-"},
	{host: "evil.example", status: 421},
	{host: "evil.example:8080", status: 421},
	{host: "evil.example.:8080", status: 421},
	{host: "theirs.example", status: 421},
	{host: "nottheirs.example", status: 421},
	{host: "localhost.evil.example", status: 421},
	{host: "evillocalhost.example", status: 421},
	{host: "127.0.0.1.evil.example:8080", status: 421},
	{host: "evil.example:8080", origin: "https://evil.example:8080"},
	{host: "evil.example", origin: "https://other.example", status: 403},
	{host: "evil.example", origin: "-", status: 421},
}

// TestHosts judges the same names in a handshake, in a first and a second request, and
// when mounted in another server.
func TestHosts(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page") })
	s := &Server{Handler: echo(t), HTTP: page, Hosts: []string{"mine.example", "*.theirs.example"}, Origins: []string{"http://friend.example:8080"}}
	addr := listen(t, s)
	mounted := mountIn(t, s, s)
	for _, test := range hostTests {
		origin := test.origin
		if origin == "" {
			origin = "http://" + strings.TrimSuffix(test.host, ".")
		}
		lines := []string{"Host: " + test.host, "Origin: " + origin}
		if origin == "-" {
			lines = lines[:1]
		}
		status := test.status
		if status == 0 {
			status = http.StatusSwitchingProtocols
		}
		for _, to := range []string{addr, mounted} {
			p := dialTCP(t, to)
			p.send(with(lines...))
			p.response(status)
		}
		if status == http.StatusForbidden {
			continue // Origin is for the program to judge, with AllowsOrigin
		} else if status == http.StatusSwitchingProtocols {
			status = http.StatusOK
		}
		p := dialTCP(t, addr)
		for range 2 {
			p.send(request(append([]string{"GET / HTTP/1.1"}, lines...)...))
			p.response(status)
		}
	}
}

// TestHostAddresses tells where a foreign name is no danger: at a public address.
func TestHostAddresses(t *testing.T) {
	s := new(Server)
	s.Logger = quiet
	for local, refused := range map[string]bool{
		"127.0.0.1:80": true, "[::1]:80": true, "10.1.1.1:80": true, "192.168.0.1:80": true, "[fd00::1]:80": true,
		"[fe80::1]:80": true, "169.254.1.1:80": true, "[::ffff:10.0.0.1]:80": true,
		"203.0.113.7:80": false, "[2001:db8::1]:80": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "http://evil.example/", nil)
		at := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(local))
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(at)))
		if e := s.CheckHost(r); (e != nil) != refused {
			t.Errorf("at %s: %v, want refused %v", local, e, refused)
		}
	}
	if e := s.CheckHost(httptest.NewRequest(http.MethodGet, "https://evil.example/", nil)); e != nil {
		t.Errorf("with TLS: %v", e)
	}
}

func TestOrigins(t *testing.T) {
	var log logged
	s := &Server{Logger: log.logger(), Hosts: []string{"own.example"},
		Origins: []string{"plain.example", "ported.example:8443", "https://secure.example", "*.below.example"}}
	for origin, allowed := range map[string]bool{
		"": true, "http://own.example": true, "https://own.example:444": false,
		"http://plain.example": true, "https://plain.example": true, "https://PLAIN.example.": true, "https://plain.example:8443": false,
		"https://ported.example:8443": true, "https://ported.example": false,
		"https://secure.example": true, "http://secure.example": false, "https://secure.example:443": true,
		"https://a.b.below.example": true, "https://below.example": false, "https://evilbelow.example": false,
		"null": false, "https://": false, "http://%": false, "file://": false,
	} {
		r := httptest.NewRequest(http.MethodPost, "http://own.example/", nil)
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		if got := s.AllowsOrigin(r); got != allowed {
			t.Errorf("%q: %v, want %v", origin, got, allowed)
		}
	}
	if n := log.count("-origins"); n != 1 {
		t.Errorf("%d lines of the log for refusals at the same time, want 1", n)
	}
	all := &Server{Logger: quiet, Origins: []string{"*"}}
	r := httptest.NewRequest(http.MethodPost, "http://evil.example/", nil)
	for _, origin := range []string{"null", "https://other.example"} {
		r.Header.Set("Origin", origin)
		if !all.AllowsOrigin(r) || all.CheckHost(r) != nil {
			t.Errorf("%q is refused although all pages may connect", origin)
		}
	}
}

// TestTwoOrigins has two fields of which a proxy may look at one and the server at the
// other.
func TestTwoOrigins(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t), HTTP: site()})
	p := dialTCP(t, addr)
	p.send(with("Origin: http://example.test", "+Origin: http://evil.example"))
	p.response(http.StatusBadRequest)
	p = dialTCP(t, addr)
	p.send(request("GET /hello HTTP/1.1", "Host: example.test", "Origin: http://example.test", "Origin: http://evil.example"))
	p.response(http.StatusBadRequest)
}

// TestRefusedHostIsLogged tells the operator at once, and what to do.
func TestRefusedHostIsLogged(t *testing.T) {
	var log logged
	addr := listen(t, &Server{Handler: echo(t), Logger: log.logger()})
	for range 3 {
		p := dialTCP(t, addr)
		p.send(with("Host: evil.example"))
		p.response(http.StatusMisdirectedRequest)
	}
	if log.count("-hosts") != 1 || log.count("evil.example") == 0 {
		t.Errorf("the log is %q", log.b.String())
	}
	for name, s := range map[string]*Server{"Hosts": {Hosts: []string{"http://x.example"}}, "Origins": {Origins: []string{"x.example/path"}}} {
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "Server."+name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidateHostAndOrigin(t *testing.T) {
	for s, want := range map[string]struct{ host, origin string }{
		"example.org": {}, "*.example.org": {}, "::1": {}, "[::1]": {}, "127.0.0.1": {}, "*": {},
		"example.org:8443":    {host: `"example.org:8443" has a port; it must be a name without one, such as example.org`},
		"[::1]:80":            {host: "has a port"},
		"https://example.org": {host: "is not a host"},
		"null":                {origin: "files and sandboxes"},
		"":                    {"is not a host", "is not a host"},
		"a b":                 {"is not a host", "is not a host"},
		"https://a@b":         {"is not a host", "is not a host"},
	} {
		for what, c := range map[string]struct {
			err  error
			says string
		}{"host": {ValidateHost(s), want.host}, "origin": {ValidateOrigin(s), want.origin}} {
			if (c.err != nil) != (c.says != "") || c.err != nil && !strings.Contains(c.err.Error(), c.says) {
				t.Errorf("%s %q: %v, want %q", what, s, c.err, c.says)
			}
		}
	}
}
