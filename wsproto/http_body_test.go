package wsproto

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// uploads is an HTTP handler that reads what is sent to /read, and refuses /refuse.
func uploads(ended chan<- error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/read", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		ended <- err
		if err != nil {
			w.WriteHeader(http.StatusRequestTimeout)
		}
		fmt.Fprint(w, n)
	})
	mux.HandleFunc("/refuse", func(w http.ResponseWriter, r *http.Request) {
		defer r.Body.Close()
		http.Error(w, "no", http.StatusUnauthorized)
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, r *http.Request) {
		_, err := io.CopyN(w, repeater("0123456789abcde"), 256<<20)
		ended <- err
	})
	return mux
}

func post(uri string, lines ...string) string {
	return request(append([]string{"POST " + uri + " HTTP/1.1", "Host: example.test"}, lines...)...)
}

// TestBodyNeverComes announces bodies that never arrive, to handlers that want them
// and to those that do not: all is given back.
func TestBodyNeverComes(t *testing.T) {
	const each = 50
	ended := make(chan error, each)
	s := &Server{Handler: echo(t), HTTP: uploads(ended), HTTPTimeout: 200 * time.Millisecond}
	addr := listen(t, s)
	before := runtime.NumGoroutine()
	var peers []*peer
	open := func(want int, in string) {
		for range each {
			p := dialTCP(t, addr)
			p.send(in)
			if want != 0 {
				h, _ := p.response(want)
				if h.Get("Date") == "" {
					t.Error("this is not net/http's answer")
				}
			}
			peers = append(peers, p)
		}
	}
	open(0, post("/read", "Content-Length: 1000"))
	open(http.StatusUnauthorized, post("/refuse", "Content-Length: 1000000"))
	open(http.StatusUnauthorized, post("/refuse", "Content-Length: 100"))
	open(http.StatusUnauthorized, post("/refuse", "Content-Length: 100", "Expect: 100-continue"))
	open(http.StatusUnauthorized, post("/refuse", "Transfer-Encoding: chunked"))
	open(http.StatusNotFound, request("GET /nothing HTTP/1.1", "Host: example.test", "Content-Length: 100"))
	for range each {
		if err := next(t, ended); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("the body ended with %v", err)
		}
	}
	for i, p := range peers {
		if i < each {
			p.response(http.StatusRequestTimeout)
		}
		p.expectEOF()
	}
	eventually(t, "no connection and no goroutine is left", func() bool {
		stats := s.Stats()
		return stats.Open+stats.Detached == 0 && runtime.NumGoroutine() < before+each // of which some are workers
	})
}

// TestBodyRefusedStays refuses small bodies that come, in the header's segment or later:
// the connection serves on.
func TestBodyRefusedStays(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t), HTTP: uploads(nil)})
	p := dialTCP(t, addr)
	for range 3 {
		p.send(post("/refuse", "Content-Length: 5") + "hello")
		p.response(http.StatusUnauthorized)
		p.send(post("/refuse", "Content-Length: 5"))
		p.send("hello")
		p.response(http.StatusUnauthorized)
		p.send(post("/refuse", "Transfer-Encoding: chunked")[:0] + post("/nothing"))
		p.response(http.StatusNotFound)
	}
	p.send(goodRequest("/"))
	p.response(http.StatusSwitchingProtocols)
	p.expectEcho("still here")
}

// TestBodyPace sends bodies, and takes answers, steadily for longer than the timeout,
// and too slowly.
func TestBodyPace(t *testing.T) {
	ended := make(chan error, 1)
	addr := listen(t, &Server{Handler: echo(t), HTTP: uploads(ended), HTTPTimeout: 500 * time.Millisecond, MinRate: 2000})
	begin := time.Now()
	p := dialTCP(t, addr)
	p.send(post("/read", "Content-Length: 40000"))
	for range 40 {
		p.send(letters(1000))
		time.Sleep(25 * time.Millisecond) // 40 kB a second
	}
	if p.response(http.StatusOK); time.Since(begin) < 500*time.Millisecond {
		t.Error("this was no slow upload")
	}
	if err := next(t, ended); err != nil {
		t.Errorf("a steady upload: %v", err)
	}
	p = dialTCP(t, addr)
	p.send(post("/read", "Content-Length: 40000"))
	for {
		if _, err := p.nc.Write([]byte("x")); err != nil {
			break
		}
		select {
		case err := <-ended:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a body that trickles: %v", err)
			}
			p.response(http.StatusRequestTimeout)
			return
		case <-time.After(10 * time.Millisecond): // 100 bytes a second
		}
	}
}

// TestSlowReader takes an answer not at all, slowly, and steadily.
func TestSlowReader(t *testing.T) {
	ended := make(chan error, 1)
	addr := listen(t, &Server{Handler: echo(t), HTTP: uploads(ended), HTTPTimeout: 300 * time.Millisecond, MinRate: 1 << 20})
	for _, pause := range []time.Duration{time.Hour, 10 * time.Millisecond} {
		p := dialTCP(t, addr)
		_ = p.nc.SetReadBuffer(4 << 10)
		p.send(request("GET /large HTTP/1.1", "Host: example.test"))
		b := make([]byte, 1)
		for cut := false; !cut; {
			select {
			case err := <-ended:
				if cut = true; !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("a byte each %v: %v", pause, err)
				}
			case <-time.After(pause):
				_, _ = p.nc.Read(b)
			}
		}
	}
	p := dialTCP(t, addr)
	p.send(request("GET /large HTTP/1.1", "Host: example.test"))
	if n, err := io.CopyN(io.Discard, p.br, 256<<20); err != nil {
		t.Errorf("of a steady reader: %d bytes, %v", n, err)
	}
	if err := next(t, ended); err != nil {
		t.Errorf("a steady reader: %v", err)
	}
}

// TestServeFile has files sent in pieces, whole and in part.
func TestServeFile(t *testing.T) {
	content := letters(300_001)
	name := filepath.Join(t.TempDir(), "file.txt")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := listen(t, &Server{HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) })})
	p := dialTCP(t, addr)
	p.get("/", content)
	for _, body := range []string{"", "hello"} {
		p.send(request("GET / HTTP/1.1", "Host: example.test", "Range: bytes=70000-209999", fmt.Sprintf("Content-Length: %d", len(body))) + body)
		if _, got := p.response(http.StatusPartialContent); got != content[70000:210000] {
			t.Errorf("with a body of %d bytes: got %d bytes", len(body), len(got))
		}
	}
}

// TestTwoLengths sends requests whose end two servers may see at different places.
func TestTwoLengths(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t), HTTP: uploads(make(chan error, 10))})
	both := post("/read", "Content-Length: 6", "Transfer-Encoding: chunked") + "0\r\n\r\nX"
	p := dialTCP(t, addr)
	p.send(both)
	p.response(http.StatusBadRequest)
	p.expectEOF()
	p = dialTCP(t, addr)
	p.send(post("/read", "Content-Length: 1") + "x")
	p.response(http.StatusOK)
	p.send(both) // net/http does not tell: nothing after it is a request
	p.response(http.StatusOK)
	if rest, err := io.ReadAll(p.br); len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
	p = dialTCP(t, addr)
	for range 2 { // a chunked body is nothing bad
		p.send(post("/read", "Transfer-Encoding: chunked") + "1\r\nx\r\n0\r\n\r\n")
		p.response(http.StatusOK)
	}
	p.expectEOF()
}

// TestFolded sends lengths that servers read in different ways: net/http joins folded lines,
// and takes a bare line feed for the end of one.
func TestFolded(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t), HTTP: uploads(make(chan error, 10))})
	for _, lines := range [][]string{
		{"Content-Length: 5", "Transfer-Encoding:", " chunked"},
		{"Transfer-Encoding:", "\tchunked", "Content-Length: 5"},
		{"Transfer-Encoding: chunked", "X: a", " Content-Length: 5"},
		{"Content-Length:", " 5"},
		{"X: a", " b"},
		{"X: a\n b"},
		{"Content-Length: 5", "Transfer-Encoding:", "Transfer-Encoding: chunked"},
		{"X: a\nContent-Length: 5"},
		{"X: a\nTransfer-Encoding: chunked"},
	} {
		p := dialTCP(t, addr)
		p.send(post("/read", lines...) + "0\r\n\r\nX")
		if _, body := p.response(http.StatusBadRequest); !strings.Contains(body, "folded") && !strings.Contains(body, "has both") && !strings.Contains(body, "bare line feed") {
			t.Errorf("%q: %q", lines, body)
		}
		p.expectEOF()
	}
	p := dialTCP(t, addr)
	p.send(post("/nothing", "X: a\nY: b")) // nothing but a line feed that is no danger
	p.response(http.StatusNotFound)
}

// TestLargeHeader is refused, in a handshake and in a request, first and second, and
// the log says what to do.
func TestLargeHeader(t *testing.T) {
	var log logged
	addr := listen(t, &Server{Handler: echo(t), HTTP: site(), Logger: log.logger()})
	cookie := "Cookie: a=" + strings.Repeat("x", 15<<10)
	p := dialTCP(t, addr)
	p.send(request("GET /hello HTTP/1.1", "Host: example.test", cookie))
	p.response(http.StatusOK)
	p.send(with(cookie))
	p.response(http.StatusSwitchingProtocols)
	p.expectEcho("with many cookies")
	cookie += strings.Repeat("x", 2<<10)
	for _, in := range []string{with(cookie), request("GET /hello HTTP/1.1", "Host: example.test", cookie)} {
		p := dialTCP(t, addr)
		p.send(in)
		p.response(http.StatusRequestHeaderFieldsTooLarge)
		p.expectEOF()
	}
	if log.count("-max-header") != 1 {
		t.Errorf("the log is %q", log.b.String())
	}
}
