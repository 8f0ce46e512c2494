package wsproto

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func proxies(t testing.TB, s string) Proxies {
	t.Helper()
	p, err := ParseProxies(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParseProxies(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "[]",
		"none":                          "[]",
		"None":                          "[]",
		" , ":                           "[]",
		"10.1.2.3":                      "[10.1.2.3/32]",
		"10.1.2.3/8, 2001:DB8::1":       "[10.0.0.0/8 2001:db8::1/128]",
		"2001:db8::1/64":                "[2001:db8::/64]",
		"::ffff:10.1.2.3":               "[10.1.2.3/32]",
		"::ffff:10.1.2.3/104":           "[10.0.0.0/8]",
		"fe80::1%eth0":                  "[fe80::1/128]",
		"loopback":                      "[127.0.0.0/8 ::1/128]",
		"private":                       "[10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7]",
		"LOOPBACK,203.0.113.7":          "[127.0.0.0/8 ::1/128 203.0.113.7/32]",
		"localhost":                     `wsproto: trusted proxy "localhost" is neither an address, nor a prefix such as 10.0.0.0/8, nor loopback, private, unix or none`,
		"10.0.0.0/33":                   `wsproto: trusted proxy "10.0.0.0/33" is neither`,
		"10.0.0":                        `wsproto: trusted proxy "10.0.0" is neither`,
		"10.0.0.1:80":                   `wsproto: trusted proxy "10.0.0.1:80" is neither`,
		"fe80::%eth0/64":                `is neither`,
		"none,10.0.0.1":                 `wsproto: trusted proxies "none,10.0.0.1" combine none with other entries`,
		strings.Repeat("1.1.1.1,", 1e3): "1.1.1.1/32 1.1.1.1/32",
	} {
		p, err := ParseProxies(in)
		if got := fmt.Sprint(p); err == nil && !strings.Contains(got, want) {
			t.Errorf("%.40q: %.80s, want %s", in, got, want)
		} else if err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", in, err, want)
		}
	}
}

// proxyTests have the proxies 127.0.0.1 and 10.0.0.0/8, and ::1.
var proxyTests = []struct {
	name, peer           string
	header               http.Header
	client, scheme, host string
}{
	{"nobody says anything", "127.0.0.1", http.Header{}, "127.0.0.1", "", ""},
	{"a stranger", "192.0.2.1", http.Header{"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"evil.example"},
		"Forwarded": {"for=203.0.113.9;proto=https;host=evil.example"}, "X-Real-Ip": {"203.0.113.9"}}, "192.0.2.1", "", ""},
	{"one proxy", "127.0.0.1", http.Header{"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"chat.example"}},
		"203.0.113.9", "https", "chat.example"},
	{"mapped into IPv6", "::ffff:127.0.0.1", http.Header{"X-Forwarded-For": {"::ffff:203.0.113.9"}}, "203.0.113.9", "", ""},
	{"the client wrote before it", "127.0.0.1", http.Header{"X-Forwarded-For": {"127.0.0.1, 198.51.100.1, 203.0.113.9"},
		"X-Forwarded-Proto": {"https, http"}, "X-Forwarded-Host": {"evil.example, chat.example:8080"}}, "203.0.113.9", "http", "chat.example:8080"},
	{"and in a field of its own", "127.0.0.1", http.Header{"X-Forwarded-For": {"198.51.100.1", "203.0.113.9"}}, "203.0.113.9", "", ""},
	{"two proxies", "127.0.0.1", http.Header{"X-Forwarded-For": {"6.6.6.6,203.0.113.9 , 10.1.1.1"}, "X-Forwarded-Proto": {"ftp,https,http"}},
		"203.0.113.9", "https", ""},
	{"two proxies, of which the second replaces", "127.0.0.1", http.Header{"X-Forwarded-For": {"203.0.113.9, 10.1.1.1"}, "X-Forwarded-Proto": {"HTTPS"}},
		"203.0.113.9", "https", ""},
	{"proxies only", "127.0.0.1", http.Header{"X-Forwarded-For": {"10.2.2.2,10.1.1.1"}}, "10.2.2.2", "", ""},
	{"a port", "127.0.0.1", http.Header{"X-Forwarded-For": {"203.0.113.9:4711"}}, "203.0.113.9", "", ""},
	{"IPv6", "::1", http.Header{"X-Forwarded-For": {"2001:db8::7"}}, "2001:db8::7", "", ""},
	{"IPv6 in brackets", "::1", http.Header{"X-Forwarded-For": {"[2001:db8::7]"}}, "2001:db8::7", "", ""},
	{"IPv6 with a port", "::1", http.Header{"X-Forwarded-For": {"[2001:db8::7]:4711, [::1]:80"}}, "2001:db8::7", "", ""},
	{"a zone", "::1", http.Header{"X-Forwarded-For": {"fe80::7%eth0"}}, "fe80::7", "", ""},
	{"garbage", "127.0.0.1", http.Header{"X-Forwarded-For": {"203.0.113.9, <script>"}, "X-Forwarded-Proto": {"gopher"}, "X-Forwarded-Host": {"a b"}}, "127.0.0.1", "", ""},
	{"garbage behind a proxy", "127.0.0.1", http.Header{"X-Forwarded-For": {"203.0.113.9, unknown, 10.1.1.1"}}, "10.1.1.1", "", ""},
	{"empty entries", "127.0.0.1", http.Header{"X-Forwarded-For": {" , 203.0.113.9,, ", ""}}, "203.0.113.9", "", ""},
	{"nothing but commas", "127.0.0.1", http.Header{"X-Forwarded-For": {",,,"}}, "127.0.0.1", "", ""},
	{"Forwarded", "127.0.0.1", http.Header{"Forwarded": {"for=203.0.113.9;proto=https;host=chat.example"}}, "203.0.113.9", "https", "chat.example"},
	{"Forwarded of two, quoted", "127.0.0.1", http.Header{"Forwarded": {`for=6.6.6.6;proto=http, For="[2001:db8::7]:4711" ; Proto="https";by=10.1.1.1`, `for="10.1.1.1:_x";proto=http`}},
		"2001:db8::7", "https", ""},
	{"Forwarded with a quote left open", "127.0.0.1", http.Header{"Forwarded": {`for="6.6.6.6, for=203.0.113.9`}}, "203.0.113.9", "", ""},
	{"Forwarded that hides", "127.0.0.1", http.Header{"Forwarded": {"for=203.0.113.9, for=_hidden"}}, "127.0.0.1", "", ""},
	{"Forwarded of the client", "127.0.0.1", http.Header{"X-Forwarded-For": {"203.0.113.9"}, "Forwarded": {"for=6.6.6.6;proto=https;host=evil.example"}}, "127.0.0.1", "", ""},
	{"X-Real-IP", "127.0.0.1", http.Header{"X-Real-Ip": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"}}, "203.0.113.9", "https", ""},
	{"X-Real-IP of the client", "127.0.0.1", http.Header{"X-Real-Ip": {"6.6.6.6"}, "X-Forwarded-For": {"203.0.113.9"}}, "127.0.0.1", "", ""},
	{"Forwarded of the client beside X-Real-IP", "127.0.0.1", http.Header{"X-Real-Ip": {"203.0.113.9"}, "Forwarded": {"for=6.6.6.6;proto=https"}}, "127.0.0.1", "", ""},
	{"X-Forwarded-For of the client beside X-Real-IP", "127.0.0.1", http.Header{"X-Real-Ip": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-For": {"6.6.6.6"}}, "127.0.0.1", "", ""},
	{"Forwarded of the client alone", "127.0.0.1", http.Header{"X-Forwarded-Proto": {"https"}, "Forwarded": {"for=6.6.6.6"}}, "127.0.0.1", "", ""},
	{"both agree", "127.0.0.1", http.Header{"X-Real-Ip": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-For": {"6.6.6.6, 203.0.113.9"}}, "203.0.113.9", "https", ""},
	{"X-Real-IP of a proxy between", "127.0.0.1", http.Header{"X-Real-Ip": {"10.1.1.1"}, "X-Forwarded-For": {"203.0.113.9, 10.1.1.1"}}, "203.0.113.9", "", ""},
	{"the client says it is a proxy", "127.0.0.1", http.Header{"X-Real-Ip": {"203.0.113.9"}, "X-Forwarded-For": {"127.0.0.1"}}, "203.0.113.9", "", ""},
	{"garbage of the client", "127.0.0.1", http.Header{"X-Real-Ip": {"203.0.113.9"}, "X-Forwarded-For": {"6.6.6.6, unknown"}}, "203.0.113.9", "", ""},
}

func TestProxies(t *testing.T) {
	p := proxies(t, "127.0.0.1,10.0.0.0/8,::1")
	for _, test := range proxyTests {
		peer, h := netip.MustParseAddr(test.peer), test.header
		if a := p.ClientAddr(peer, h.Values); a.String() != test.client {
			t.Errorf("%s: the client is %v, want %s", test.name, a, test.client)
		}
		if s := p.Scheme(peer, h.Values); s != test.scheme {
			t.Errorf("%s: the scheme is %q, want %q", test.name, s, test.scheme)
		}
		if s := p.Host(peer, h.Values); s != test.host {
			t.Errorf("%s: the host is %q, want %q", test.name, s, test.host)
		}
		if a := (Proxies)(nil).ClientAddr(peer, h.Values); a != peer.Unmap() {
			t.Errorf("%s: without proxies the client is %v, want %s", test.name, a, peer)
		}
	}
	if a := p.ClientAddr(netip.Addr{}, http.Header{"X-Forwarded-For": {"203.0.113.9"}}.Values); a.IsValid() {
		t.Errorf("a peer without an address is trusted, and says %v", a)
	}
}

// TestProxiesOfServer asks what programs see: of a handshake and of an ordinary
// request, from the server's own port and from another net/http server.
func TestProxiesOfServer(t *testing.T) {
	for _, trusted := range []string{"none", "loopback"} {
		p := proxies(t, trusted)
		s := &Server{Proxies: p, Handler: echo(t), Accept: func(r *Request) error {
			return Refuse(http.StatusTeapot, fmt.Sprint(r.ClientAddr(), r.Secure(), " ", r.Host()))
		}}
		s.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprintln(w, fmt.Sprint(ClientAddr(r, p), Secure(r, p), " ", Host(r, p)))
		})
		own := listen(t, s)
		other := mountIn(t, s, s)
		want := "203.0.113.9 true chat.example\n"
		if trusted == "none" {
			want = "127.0.0.1 false example.test\n"
		}
		said := []string{"X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: chat.example"}
		for name, in := range map[string]string{
			"handshake": with(said...),
			"request":   request(append([]string{"GET / HTTP/1.1", "Host: example.test"}, said...)...),
		} {
			for _, addr := range []string{own, other} {
				if name == "request" && addr == other {
					continue // that server's own handlers are asked in the same way
				}
				p := dialTCP(t, addr)
				p.send(in)
				if _, body := p.response(http.StatusTeapot); body != want {
					t.Errorf("%s, %s trusted: %q, want %q", name, trusted, body, want)
				}
			}
		}
	}
}

// TestSecure is told by TLS itself, and by a proxy that knows better.
func TestSecure(t *testing.T) {
	p := proxies(t, "loopback")
	s := &Server{Proxies: p, HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, Secure(r, p)) })}
	addr, config := listenTLS(t, s)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	for proto, want := range map[string]string{"": "true", "https": "true", "http": "false"} {
		req, _ := http.NewRequest(http.MethodGet, "https://"+addr+"/", nil)
		if proto != "" {
			req.Header.Set("X-Forwarded-Proto", proto)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != want {
			t.Errorf("X-Forwarded-Proto %q over TLS: %s, want %s", proto, body, want)
		}
	}
}

// TestOriginBehindProxy has a page whose host and scheme only the proxy knows.
func TestOriginBehindProxy(t *testing.T) {
	said := []string{"X-Forwarded-Host: chat.example", "X-Forwarded-Proto: https"}
	for _, test := range []struct {
		trusted, origin string
		lines           []string
		status          int
	}{
		{"loopback", "https://chat.example", said, http.StatusSwitchingProtocols},
		{"loopback", "http://chat.example", said, http.StatusForbidden},
		{"loopback", "https://example.test", said, http.StatusForbidden},
		{"loopback", "https://example.test", said[1:], http.StatusSwitchingProtocols},
		{"none", "https://chat.example", said, http.StatusForbidden},
		{"none", "https://example.test", said, http.StatusSwitchingProtocols},
	} {
		trusted := proxies(t, test.trusted)
		addr := listen(t, &Server{Handler: echo(t), Proxies: trusted, HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, (&Server{Proxies: trusted}).requestOf(r).SameOrigin())
		})})
		lines := append(test.lines, "Origin: "+test.origin)
		p := dialTCP(t, addr)
		p.send(with(lines...))
		p.response(test.status)
		p = dialTCP(t, addr)
		p.send(request(append([]string{"GET / HTTP/1.1", "Host: example.test"}, lines...)...))
		if _, body := p.response(http.StatusOK); (body == "true") != (test.status == http.StatusSwitchingProtocols) {
			t.Errorf("%s, of a page of %s to %v: %s for a request, and %d for a handshake", test.trusted, test.origin, test.lines, body, test.status)
		}
	}
}
