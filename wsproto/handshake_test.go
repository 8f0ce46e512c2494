package wsproto

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" // RFC 6455, 1.3

// judge is an Accept that obeys the path.
func judge(r *Request) error {
	switch r.Path() {
	case "/refuse":
		return &Refusal{Status: http.StatusTooManyRequests, Reason: "too many of you", Header: http.Header{"Retry-After": {"7"}}}
	case "/wrapped":
		return fmt.Errorf("in short: %w", Refuse(http.StatusUnauthorized, "who are you?"))
	case "/error":
		return errors.New("secret detail")
	case "/panic":
		panic("on purpose")
	case "/header":
		r.ResponseHeader = http.Header{"Set-Cookie": {"a=1", "b=2"}, "X-Split": {"a\r\nX-Injected: b"}}
	case "/choose":
		r.Subprotocol = "v2.other"
	}
	return nil
}

func judged(t testing.TB) *Server {
	h := echo(t)
	return &Server{
		NewHandler: func(r *Request) Handler {
			if r.Path() == "/nowhere" {
				return nil
			}
			return h
		},
		Accept:       judge,
		Subprotocols: []string{"v1.chat", "v2.chat"},
		MaxHeader:    2048,
	}
}

// with returns a request like goodRequest with lines changed: "Name: value" takes
// the place of the line of that name or is added, "-Name" removes it, and "+Name:
// value" is added in any case.
func with(lines ...string) string {
	all := strings.Split(strings.TrimSuffix(goodRequest("/"), "\r\n\r\n"), "\r\n")
	for _, l := range lines {
		name, _, _ := strings.Cut(strings.TrimLeft(l, "+-"), ":")
		kept := all[:1:1]
		done := false
		for _, old := range all[1:] {
			switch n, _, _ := strings.Cut(old, ":"); {
			case !strings.EqualFold(n, name) || l[0] == '+':
				kept = append(kept, old)
			case l[0] != '-':
				kept, done = append(kept, l), true
			}
		}
		if !done && l[0] != '-' {
			kept = append(kept, strings.TrimPrefix(l, "+"))
		}
		all = kept
	}
	return request(all...)
}

func withLine(first string, lines ...string) string {
	_, rest, _ := strings.Cut(with(lines...), "\r\n")
	return first + "\r\n" + rest
}

type handshakeTest struct {
	name   string
	in     string
	status string
	want   []string // "Name: value" in the answer, "-Name" not in it
}

const (
	ok101 = "HTTP/1.1 101 Switching Protocols"
	bad   = "HTTP/1.1 400 Bad Request"
	large = "HTTP/1.1 431 Request Header Fields Too Large"
)

var handshakeTests = []handshakeTest{
	{"plain", with(), ok101, []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-Websocket-Accept: " + sampleAccept,
		"-Sec-Websocket-Protocol", "-Sec-Websocket-Extensions", "-Content-Length"}},
	{"case of names and values", withLine("GET / HTTP/1.1", "-Upgrade", "-Connection", "-Sec-WebSocket-Key", "UPGRADE: WebSocket",
		"connection: upGRADE", "sec-websocket-KEY: "+sampleKey), ok101, []string{"Sec-Websocket-Accept: " + sampleAccept}},
	{"Connection tokens", with("Connection: keep-alive, Upgrade"), ok101, nil},
	{"Connection tokens without space", with("Connection: foo,upgrade,bar"), ok101, nil},
	{"Connection twice", with("Connection: keep-alive", "+Connection: Upgrade"), ok101, nil},
	{"Upgrade list", with("Upgrade: h2c, websocket"), ok101, []string{"Upgrade: websocket"}},
	{"Upgrade twice", with("Upgrade: h2c", "+Upgrade: websocket"), ok101, nil},
	{"white space", with("Upgrade: \t websocket \t", "Sec-WebSocket-Version:13", "Host:"), ok101, nil},
	{"unknown fields", with("X-A: b", "+X-A: c", "X-Empty:", "Cookie: a=b; c=d", "X-High: \xe9\xff"), ok101, nil},
	{"extensions are declined", with("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"), ok101, []string{"-Sec-Websocket-Extensions"}},
	{"later HTTP/1", withLine("GET / HTTP/1.2"), ok101, nil},
	{"absolute URI", withLine("GET http://example.test/header?x=1 HTTP/1.1"), ok101, []string{"Set-Cookie: a=1"}},
	{"no body", with("Content-Length: 0"), ok101, nil},

	{"version 8", with("Sec-WebSocket-Version: 8"), "HTTP/1.1 426 Upgrade Required", []string{"Sec-Websocket-Version: 13", "Upgrade: websocket", "Connection: Upgrade"}},
	{"version 99", with("Sec-WebSocket-Version: 99"), "HTTP/1.1 426 Upgrade Required", []string{"Sec-Websocket-Version: 13"}},
	{"version list", with("Sec-WebSocket-Version: 13, 8"), "HTTP/1.1 426 Upgrade Required", []string{"Sec-Websocket-Version: 13"}},
	{"no version", with("-Sec-WebSocket-Version"), bad, nil},
	{"version twice", with("+Sec-WebSocket-Version: 13"), bad, nil},
	{"no key", with("-Sec-WebSocket-Key"), bad, nil},
	{"empty key", with("Sec-WebSocket-Key:"), bad, nil},
	{"short key", with("Sec-WebSocket-Key: c2hvcnQ="), bad, nil},
	{"key of 17 bytes", with("Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Njc="), bad, nil},
	{"key that is no base64", with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ!!"), bad, nil},
	{"key of 24 letters", with("Sec-WebSocket-Key: abcdefghijklmnopqrstuvwx"), bad, nil},
	{"key twice", with("+Sec-WebSocket-Key: " + sampleKey), bad, nil},
	{"no Host", with("-Host"), bad, nil},
	{"Host twice", with("+Host: example.org"), bad, nil},
	{"no Upgrade but a key", with("-Upgrade"), bad, nil},
	{"Upgrade to something else, with a key", with("Upgrade: h2c"), bad, nil},
	{"no Connection", with("-Connection"), bad, nil},
	{"Connection without the token", with("Connection: keep-alive, upgraded"), bad, nil},
	{"body", with("Content-Length: 4") + "body", bad, nil},
	{"chunked body", with("Transfer-Encoding: chunked") + "0\r\n\r\n", bad, nil},
	{"folded field before Upgrade", with("-Upgrade", "X-A: b\r\n c", "Upgrade: websocket"), bad, nil},
	{"folded field after Upgrade", with("X-A: b\r\n\tc"), bad, nil},
	{"bare line feed", with("X-A: b\nX-B: c"), bad, nil},
	{"bare line feeds", strings.ReplaceAll(with(), "\r\n", "\n"), bad, nil},
	{"bare line feed at the end", strings.TrimSuffix(with(), "\r\n") + "\n", bad, nil},
	{"bare carriage return", with("X-A: b\rc"), bad, nil},
	{"NUL", with("X-A: b\x00c"), bad, nil},
	{"control character", with("X-A: b\x07c"), bad, nil},
	{"space before the colon", with("X-A : b"), bad, nil},
	{"line without colon", with("X-A"), bad, nil},
	{"no name", with("+: b"), bad, nil},
	{"HTTP/1.0", withLine("GET / HTTP/1.0"), "HTTP/1.1 505 HTTP Version Not Supported", nil},
	{"HTTP/2.0", withLine("GET / HTTP/2.0"), "HTTP/1.1 505 HTTP Version Not Supported", nil},
	{"no version of HTTP", withLine("GET /"), bad, nil},
	{"not HTTP", withLine("GET / HTTQ/1.1"), bad, nil},
	{"space in the URI", withLine("GET /a b HTTP/1.1"), bad, nil},
	{"no URI", withLine("GET  HTTP/1.1"), bad, nil},
	{"relative URI", withLine("GET chat HTTP/1.1"), bad, nil},
	{"control character in the URI", withLine("GET /\x01 HTTP/1.1"), bad, nil},
	{"POST", withLine("POST / HTTP/1.1"), "HTTP/1.1 405 Method Not Allowed", []string{"Allow: GET"}},
	{"empty line first", "\r\n" + with(), bad, nil},
	{"garbage", "\x16\x03\x01\x02\x00\x01\x00", bad, nil},
	{"garbage with an end", "hello\r\n\r\n", bad, nil},
	{"large header", with("X-A: " + letters(32) + strings.Repeat("x", 4000)), large, nil},

	{"own origin", with("Origin: http://example.test"), ok101, nil},
	{"own origin, case", with("Origin: https://EXAMPLE.test"), ok101, nil},
	{"own origin with port", with("Host: example.test:8080", "Origin: http://example.test:8080"), ok101, nil},
	{"default port, told by the host", with("Host: example.test:443", "Origin: https://example.test"), ok101, nil},
	{"default port of http", with("Host: example.test:80", "Origin: http://example.test"), ok101, nil},
	{"default port, told by the origin", with("Origin: https://example.test:443"), ok101, nil},
	{"default port of the other scheme", with("Host: example.test:443", "Origin: http://example.test"), "HTTP/1.1 403 Forbidden", nil},
	{"dot at the end", with("Host: example.test.", "Origin: https://example.test"), ok101, nil},
	{"IPv6", with("Host: [2001:db8::1]:8080", "Origin: http://[2001:db8::1]:8080"), ok101, nil},
	{"IPv6, default port", with("Host: [2001:db8::1]:443", "Origin: https://[2001:db8::1]"), ok101, nil},
	{"port of the origin", with("Origin: https://example.test:8443"), "HTTP/1.1 403 Forbidden", nil},
	{"loopback, other port", with("Host: localhost:8080", "Origin: http://localhost:3000"), ok101, nil},
	{"loopback, other name", with("Host: localhost:8080", "Origin: http://127.0.0.1:5173"), ok101, nil},
	{"loopback, name below", with("Host: [::1]:8080", "Origin: http://app.localhost"), ok101, nil},
	{"loopback, strange origin", with("Host: localhost:8080", "Origin: http://localhost.evil.example"), "HTTP/1.1 403 Forbidden", nil},
	{"loopback's page elsewhere", with("Origin: http://localhost:3000"), "HTTP/1.1 403 Forbidden", nil},
	{"other port", with("Host: example.test:8080", "Origin: http://example.test"), "HTTP/1.1 403 Forbidden", nil},
	{"strange origin", with("Origin: http://evil.example"), "HTTP/1.1 403 Forbidden", nil},
	{"origin null", with("Origin: null"), "HTTP/1.1 403 Forbidden", nil},
	{"origin that is no URL", with("Origin: http://%"), "HTTP/1.1 403 Forbidden", nil},

	{"subprotocol", with("Sec-WebSocket-Protocol: v2.chat, v1.chat"), ok101, []string{"Sec-Websocket-Protocol: v2.chat"}},
	{"subprotocol in two fields", with("Sec-WebSocket-Protocol: x,", "+Sec-WebSocket-Protocol: v1.chat"), ok101, []string{"Sec-Websocket-Protocol: v1.chat"}},
	{"unknown subprotocol", with("Sec-WebSocket-Protocol: V1.CHAT"), ok101, []string{"-Sec-Websocket-Protocol"}},
	{"subprotocol that Accept chooses", withLine("GET /choose HTTP/1.1", "Sec-WebSocket-Protocol: v1.chat, v2.other"), ok101, []string{"Sec-Websocket-Protocol: v2.other"}},
	{"fields that Accept adds", withLine("GET /header HTTP/1.1"), ok101, []string{"Set-Cookie: a=1", "Set-Cookie: b=2", "-X-Injected"}},
	{"refused", withLine("GET /refuse HTTP/1.1"), "HTTP/1.1 429 Too Many Requests", []string{"Retry-After: 7", "Connection: close"}},
	{"refused, wrapped", withLine("GET /wrapped HTTP/1.1"), "HTTP/1.1 401 Unauthorized", nil},
	{"refused by an error", withLine("GET /error HTTP/1.1"), "HTTP/1.1 500 Internal Server Error", nil},
	{"Accept panics", withLine("GET /panic HTTP/1.1"), "HTTP/1.1 500 Internal Server Error", nil},
	{"no handler", withLine("GET /nowhere HTTP/1.1"), "HTTP/1.1 404 Not Found", nil},
}

func TestHandshake(t *testing.T) {
	addr := listen(t, judged(t))
	for _, tt := range handshakeTests {
		t.Run(tt.name, func(t *testing.T) {
			p := dialTCP(t, addr)
			p.send(tt.in)
			tt.check(t, p)
		})
		if len(tt.in) < 1000 {
			t.Run(tt.name+" byte by byte", func(t *testing.T) {
				p := dialTCP(t, addr)
				p.slowly(tt.in)
				tt.check(t, p)
			})
		}
	}
}

// slowly sends s byte by byte. A server that has heard enough may answer before
// the end, and need not read the rest.
func (p *peer) slowly(s string) {
	for i := range len(s) {
		if _, err := p.nc.Write([]byte{s[i]}); err != nil {
			return
		}
	}
}

func (tt *handshakeTest) check(t *testing.T, p *peer) {
	t.Helper()
	status, h := p.head()
	if status != tt.status {
		t.Fatalf("%q, want %q", status, tt.status)
	}
	for _, w := range tt.want {
		name, value, _ := strings.Cut(w, ": ")
		if not, ok := strings.CutPrefix(name, "-"); ok {
			if len(h[not]) > 0 {
				t.Errorf("%s: %q", not, h[not])
			}
		} else if !strings.Contains(strings.Join(h[name], "\n")+"\n", value+"\n") {
			t.Errorf("%s: %q, want %q", name, h[name], value)
		}
	}
	if status == ok101 {
		p.expectEcho("hello")
		return
	}
	if c := h.Get("Connection"); c != "close" && status != large { // net/http's answer
		t.Errorf("Connection: %q", c)
	}
	body := make([]byte, 1)
	if n, _ := p.br.Read(body); n == 0 {
		t.Error("the answer says no reason")
	}
}

// TestHandshakeReason: the body of a refusal is the Refusal's reason, but never the text of
// another error.
func TestHandshakeReason(t *testing.T) {
	addr := listen(t, judged(t))
	for path, want := range map[string]string{"/refuse": "too many of you\n", "/wrapped": "who are you?\n", "/error": "the server refused the handshake\n"} {
		p := dialTCP(t, addr)
		p.send(goodRequest(path))
		resp, err := http.ReadResponse(p.br, nil)
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, resp.ContentLength)
		if _, err := resp.Body.Read(body); string(body) != want {
			t.Errorf("%s: %q, %v", path, body, err)
		}
		p.expectEOF()
	}
}

// TestHandshakeTail sends the first frames behind the request, and cuts both
// anywhere.
func TestHandshakeTail(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t)})
	in := goodRequest("/") + text("one") + masked(0x01, "tw") + ping("p") + masked(0x80, "o")
	check := func(pieces []string) {
		t.Helper()
		p := dialTCP(t, addr)
		for _, piece := range pieces {
			p.send(piece)
		}
		p.response(http.StatusSwitchingProtocols)
		p.expect(Text, "one")
		p.expect(Pong, "p")
		p.expect(Text, "two")
		p.nc.Close()
	}
	check(cut(in))
	for i := range len(in) {
		if i%4 == 0 || i > len(in)-50 {
			check(cut(in, i))
		}
	}
	check(cutBytes(in))
}

// TestHandshakeRequest looks at what Accept and OnOpen see.
func TestHandshakeRequest(t *testing.T) {
	var accepted atomic.Bool
	opened := make(chan string, 1)
	look := func(r *Request) string {
		return fmt.Sprint(r.URI, r.Path(), r.Query(), r.Header.Get("x-a"), r.Header.Get("X-None"), r.Header.Values("x-a"), r.Subprotocols(), r.Subprotocol,
			r.Context().Err(), r.PathValue("id"), r.RemoteAddr().IsValid())
	}
	const want = "/a%20b?q=1&q=2/a bmap[q:[1 2]]1[1 2][p q]q<nil>true"
	s := &Server{
		Subprotocols: []string{"q"},
		Accept: func(r *Request) error {
			accepted.Store(strings.ReplaceAll(look(r), " ", "") == strings.ReplaceAll(want, " ", ""))
			r.Handler = &Funcs{Open: func(c *Conn, r *Request) {
				opened <- look(r)
				if c.Subprotocol() != "q" {
					t.Errorf("Conn.Subprotocol is %q", c.Subprotocol())
				}
			}}
			return nil
		},
	}
	p := dialTCP(t, listen(t, s))
	p.send(withLine("GET /a%20b?q=1&q=2 HTTP/1.1", "X-A: 1", "+X-A: 2", "Sec-WebSocket-Protocol: p, ,q"))
	p.response(http.StatusSwitchingProtocols)
	got := next(t, opened)
	if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") || !accepted.Load() {
		t.Errorf("OnOpen saw %q, and Accept the same: %v", got, accepted.Load())
	}
}

// TestHandshakeOrigin replaces the rule.
func TestHandshakeOrigin(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t), CheckOrigin: func(r *Request) bool { return r.Header.Get("Origin") == "http://friend.example" }})
	for origin, status := range map[string]int{"http://friend.example": 101, "http://example.test": 403} {
		p := dialTCP(t, addr)
		p.send(with("Origin: " + origin))
		p.response(status)
	}
}

// TestHandshakeTimeout sends half a header, or nothing, and waits.
func TestHandshakeTimeout(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t), HandshakeTimeout: 50 * time.Millisecond, Engine: brisk})
	for _, in := range []string{"", "GET", with()[:60], strings.TrimSuffix(with(), "\n")} {
		p := dialTCP(t, addr)
		p.send(in)
		start := time.Now()
		p.response(http.StatusRequestTimeout)
		p.expectEOF()
		if d := time.Since(start); d < 30*time.Millisecond {
			t.Errorf("%q: %v only", in, d)
		}
	}
	// And a handshake that is done has no such limit.
	p := dialPeer(t, addr)
	late := dialTCP(t, addr)
	late.response(http.StatusRequestTimeout)
	p.expectEcho("still here")
}

// TestHandshakeTrickle sends a byte now and then: the time is for the whole.
func TestHandshakeTrickle(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t), HandshakeTimeout: 50 * time.Millisecond, Engine: brisk})
	p := dialTCP(t, addr)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	in := with("X-Pad: " + letters(1000))
	for i := 0; i < len(in); i++ {
		<-tick.C
		if _, err := p.nc.Write([]byte{in[i]}); err != nil {
			break
		}
		if p.answered() {
			p.response(http.StatusRequestTimeout)
			return
		}
	}
	t.Error("the server waits for as long as bytes come")
}

// answered reports whether something can be read.
func (p *peer) answered() bool {
	_ = p.nc.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := p.br.Peek(1)
	_ = p.nc.SetReadDeadline(time.Now().Add(patience))
	return err == nil
}

// TestHandshakeUpToLimit sends headers of the maximum size, and larger ones.
func TestHandshakeUpToLimit(t *testing.T) {
	for _, s := range []*Server{{MaxHeader: 1000}, {Engine: netpollSmall}, {MaxHeader: 100_000}} {
		s.Handler = echo(t)
		addr := listen(t, s)
		base := len(with("X-Pad: "))
		p := dialTCP(t, addr)
		in := with("X-Pad: " + strings.Repeat("x", s.MaxHeader-base))
		p.send(in + text("hi"))
		p.response(http.StatusSwitchingProtocols)
		p.expect(Text, "hi")
		p = dialTCP(t, addr)
		p.send(with("X-Pad: " + strings.Repeat("x", s.MaxHeader-base+1)))
		p.response(http.StatusRequestHeaderFieldsTooLarge)
	}
}

func BenchmarkHandshake(b *testing.B) {
	s := &Server{Handler: &Funcs{}, Logger: quiet}
	if err := s.begin(); err != nil {
		b.Fatal(err)
	}
	defer shutdown(b, s)
	in := []byte(with("User-Agent: Mozilla/5.0", "Origin: http://example.test", "Accept-Encoding: gzip", "Cookie: session=0123456789abcdef",
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"))
	b.ReportAllocs()
	for b.Loop() {
		c := &Conn{endpoint: s.endpoint}
		x := newUpgradeBuffers(c)
		if refusal := c.upgrade(x, x.request.parse(in)); refusal != nil {
			b.Fatal(refusal)
		}
		x.end()
	}
}
