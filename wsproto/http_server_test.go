package wsproto

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// site is an HTTP handler with what a site has.
func site() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })
	mux.HandleFunc("POST /sum", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		fmt.Fprintf(w, "%d %x %v", n, sum.Sum(nil), err)
	})
	mux.HandleFunc("GET /large", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		_, _ = io.CopyN(w, repeater("0123456789abcde"), int64(n))
	})
	return mux
}

// repeater is an endless reader of itself.
type repeater string

func (r repeater) Read(p []byte) (n int, err error) {
	for n < len(p) {
		n += copy(p[n:], r)
	}
	return n, nil
}

// get reads the answer to a request, whose connection stays open.
func (p *peer) get(uri, want string) {
	p.Helper()
	p.send(request("GET "+uri+" HTTP/1.1", "Host: example.test"))
	if _, body := p.response(http.StatusOK); body != want {
		p.Fatalf("%s: %.80q, want %.80q", uri, body, want)
	}
}

func TestPagesKeepAlive(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t), HTTP: site()})
	p := dialTCP(t, addr)
	for range 5 {
		p.get("/hello", "hello")
	}
	// Three requests at once, the last of them a handshake with a message.
	get := request("GET /hello HTTP/1.1", "Host: example.test")
	p.send(get + get + goodRequest("/") + text("first"))
	for range 2 {
		if _, body := p.response(http.StatusOK); body != "hello" {
			t.Fatalf("%q", body)
		}
	}
	p.response(http.StatusSwitchingProtocols)
	p.expect(Text, "first")
	p.expectEcho("second")
}

func TestPagesFirst(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t), HTTP: site()})
	// A request byte by byte, and one of a client that knows HTTP/1.0 only.
	p := dialTCP(t, addr)
	p.sendBytes(request("GET /hello HTTP/1.1", "Host: example.test"))
	p.response(http.StatusOK)
	p = dialTCP(t, addr)
	p.send("GET /hello HTTP/1.0\r\n\r\n")
	p.response(http.StatusOK)
	p.expectEOF()
	p = dialTCP(t, addr)
	p.send("GET /hello HTTP/1.0\n\n") // of which net/http is the judge
	p.response(http.StatusOK)
	p = dialTCP(t, addr)
	p.send(request("GET /nothing HTTP/1.1", "Host: example.test"))
	p.response(http.StatusNotFound)
	p = dialTCP(t, addr)
	p.send(request("GET / HTTP/1.1"))
	p.response(http.StatusBadRequest)
}

// TestPagesUpload sends 4 MiB in pieces, with an Expect field and without.
func TestPagesUpload(t *testing.T) {
	const size = 4 << 20
	addr := listen(t, &Server{Handler: echo(t), HTTP: site()})
	body := bytes.Repeat([]byte(letters(1021)), size/1021+1)[:size]
	want := fmt.Sprintf("%d %x <nil>", size, sha256.Sum256(body))
	for _, expect := range []bool{false, true} {
		p := dialTCP(t, addr)
		head := []string{"POST /sum HTTP/1.1", "Host: example.test", "Content-Length: " + strconv.Itoa(size)}
		if expect {
			p.send(request(append(head, "Expect: 100-continue")...))
			if status, _ := p.head(); status != "HTTP/1.1 100 Continue" {
				t.Fatal(status)
			}
		} else {
			p.send(request(head...))
		}
		for i := 0; i < len(body); {
			n := min(len(body)-i, 1+i/3) // from a byte to more than a megabyte
			p.send(string(body[i : i+n]))
			i += n
		}
		if _, got := p.response(http.StatusOK); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		p.get("/hello", "hello")
	}
	// In one piece with its header, in chunks.
	p := dialTCP(t, addr)
	p.send(request("POST /sum HTTP/1.1", "Host: example.test", "Transfer-Encoding: chunked") +
		fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", size, body))
	if _, got := p.response(http.StatusOK); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPagesLargeResponse(t *testing.T) {
	const size = 16 << 20
	addr := listen(t, &Server{Handler: echo(t), HTTP: site()})
	p := dialTCP(t, addr)
	p.send(request("GET /large?n="+strconv.Itoa(size)+" HTTP/1.1", "Host: example.test"))
	if _, body := p.response(http.StatusOK); len(body) != size {
		t.Errorf("%d bytes", len(body))
	}
}

// TestPagesNone has no HTTP handler.
func TestPagesNone(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t)})
	p := dialTCP(t, addr)
	p.send(request("GET / HTTP/1.1", "Host: example.test"))
	h, _ := p.response(http.StatusUpgradeRequired)
	if h.Get("Upgrade") != "websocket" || h.Get("Connection") != "Upgrade" {
		t.Error(h)
	}
	p.send(goodRequest("/"))
	p.response(http.StatusSwitchingProtocols)
	p.expectEcho("x")
}

// TestPagesStrictness sends, as second requests, handshakes of which net/http
// has made something else before we see them.
func TestPagesStrictness(t *testing.T) {
	s := judged(t)
	s.HTTP = site()
	addr := listen(t, s)
	for name, tt := range map[string]struct {
		in     string
		status int
	}{
		"chunked body": {with("Transfer-Encoding: chunked") + "3\r\n\x81\x80\x00\r\n0\r\n\r\n", 400},
		"body":         {with("Content-Length: 4") + "body", 400},
		"version":      {with("Sec-WebSocket-Version: 8"), 426},
		"key":          {with("Sec-WebSocket-Key: c2hvcnQ="), 400},
		"key twice":    {with("+Sec-WebSocket-Key: " + sampleKey), 400},
		"origin":       {with("Origin: http://evil.example"), 403},
		"method":       {withLine("POST / HTTP/1.1"), 405},
		"HTTP/1.0":     {withLine("GET / HTTP/1.0"), 505},
		"refused":      {withLine("GET /refuse HTTP/1.1"), 429},
		"large":        {with("X-A: " + strings.Repeat("x", 3000)), 431},
		"lists":        {with("Connection: keep-alive", "+Connection: Upgrade", "Upgrade: h2c, websocket"), 101},
	} {
		t.Run(name, func(t *testing.T) {
			p := dialTCP(t, addr)
			p.get("/hello", "hello")
			p.send(tt.in)
			p.response(tt.status)
		})
	}
}

type ctxKey struct{}

// mounted is a server behind a router and a middleware of net/http.
func mounted(t *testing.T, s *Server) *httptest.Server {
	s.Logger = quiet
	mux := http.NewServeMux()
	mux.Handle("/rooms/{room}/ws", s)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Middleware", "was here")
		mux.ServeHTTP(unwrapper{w}, r.WithContext(context.WithValue(r.Context(), ctxKey{}, "value")))
	}))
	t.Cleanup(func() {
		web.Close()
		shutdown(t, s)
	})
	return web
}

// unwrapper is a ResponseWriter as middleware makes them.
type unwrapper struct{ http.ResponseWriter }

func (u unwrapper) Unwrap() http.ResponseWriter { return u.ResponseWriter }

func TestMount(t *testing.T) {
	see := func(r *Request) string {
		return fmt.Sprint(r.PathValue("room"), " ", r.Context().Value(ctxKey{}), " ", r.Context().Err(), " ", r.URI)
	}
	accepted, opened := make(chan string, 1), make(chan string, 1)
	h := echo(t)
	h.Open = func(c *Conn, r *Request) { opened <- see(r) }
	web := mounted(t, &Server{Handler: h, Accept: func(r *Request) error {
		accepted <- see(r)
		r.ResponseHeader.Set("X-Accept", "was here too")
		return nil
	}})
	p := dialTCP(t, web.Listener.Addr().String())
	p.send(goodRequest("/rooms/42/ws?x=1") + text("first"))
	head, _ := p.response(http.StatusSwitchingProtocols)
	if head.Get("X-Middleware") != "was here" || head.Get("X-Accept") != "was here too" || head.Get("Sec-Websocket-Accept") != sampleAccept {
		t.Error(head)
	}
	p.expect(Text, "first")
	const want = "42 value <nil> /rooms/42/ws?x=1"
	if a, o := next(t, accepted), next(t, opened); a != want || o != want {
		t.Errorf("Accept saw %q, OnOpen %q", a, o)
	}
	p.expectEcho(letters(100_000))

	p = dialTCP(t, web.Listener.Addr().String())
	p.send(request("GET /rooms/42/ws HTTP/1.1", "Host: example.test"))
	p.response(http.StatusUpgradeRequired)
}

// TestMountGoroutines counts what stays behind for each connection.
func TestMountGoroutines(t *testing.T) {
	web := mounted(t, &Server{Handler: echo(t)})
	addr := web.Listener.Addr().String()
	open := func(n int) {
		for range n {
			p := dialTCP(t, addr)
			p.send(goodRequest("/rooms/1/ws"))
			p.response(http.StatusSwitchingProtocols)
			p.expectEcho("x")
		}
	}
	open(1)
	before := runtime.NumGoroutine()
	open(100)
	eventually(t, "no goroutine for each of 100 connections", func() bool { return runtime.NumGoroutine() < before+20 })
}

// TestMountAfterShutdown mounts a server that is down.
func TestMountAfterShutdown(t *testing.T) {
	s := &Server{Handler: echo(t)}
	web := mounted(t, s)
	shutdown(t, s)
	p := dialTCP(t, web.Listener.Addr().String())
	p.send(goodRequest("/rooms/1/ws"))
	p.response(http.StatusServiceUnavailable)
}

// TestMountInvalid mounts a server that cannot start.
func TestMountInvalid(t *testing.T) {
	s := &Server{Handler: echo(t), MaxMessage: -1}
	web := mounted(t, s)
	p := dialTCP(t, web.Listener.Addr().String())
	p.send(goodRequest("/rooms/1/ws"))
	p.response(http.StatusInternalServerError)
}

// TestMountWithoutHijack has a connection that cannot be taken over.
func TestMountWithoutHijack(t *testing.T) {
	s := &Server{Handler: echo(t)}
	listen(t, s)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Upgrade", "websocket")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != http.StatusHTTPVersionNotSupported {
		t.Errorf("status %d", w.Code)
	}
}

// TestHandoff closes the listener that pages reads, with connections in it.
func TestHandoff(t *testing.T) {
	h := newConnListener()
	a, b := net.Pipe()
	defer b.Close()
	h.put(a)
	h.put(b)
	for _, want := range []net.Conn{a, b} {
		if nc, err := h.Accept(); nc != want || err != nil {
			t.Fatal(nc, err)
		}
	}
	h.put(a)
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	_ = h.Close()
	if nc, err := h.Accept(); err != net.ErrClosed {
		t.Error(nc, err)
	}
	c, d := net.Pipe()
	h.put(c)
	for _, end := range []net.Conn{b, d} {
		_ = end.SetDeadline(time.Now().Add(patience))
		if _, err := end.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the connection that nobody took: %v", err)
		}
	}
	if h.Addr() == nil {
		t.Error("no address")
	}
}
