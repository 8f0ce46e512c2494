package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/hub/wire"
)

// backendSite is an operator's program that permits everything unless it is told to misbehave.
type backendSite struct {
	*site
	behaves atomic.Pointer[http.HandlerFunc]
}

func newBackendSite(t *testing.T) *backendSite {
	t.Helper()
	s := new(backendSite)
	s.site = newSite(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // otherwise it does not notice that the server has gone
		(*s.behaves.Load())(w, r)
	})
	s.does(permits)
	s.up()
	return s
}

func (s *backendSite) does(f http.HandlerFunc) { s.behaves.Store(&f) }

func (s *backendSite) flags(more ...string) []string {
	url := "http://" + s.addr + "/"
	return append([]string{"-backend-connect", url, "-backend-subscribe", url, "-backend-publish", url}, more...)
}

func permits(w http.ResponseWriter, _ *http.Request) { jsonTo(w, `{"ok":{}}`) }

func jsonTo(w io.Writer, text string) {
	if h, ok := w.(http.ResponseWriter); ok {
		h.Header().Set("Content-Type", "application/json")
	}
	_, _ = io.WriteString(w, text)
}

func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// faults are what can be wrong with a backend.
var faults = map[string]http.HandlerFunc{
	"hangs": hangs,
	"hangs in the body": func(w http.ResponseWriter, r *http.Request) {
		jsonTo(w, `{"ok":`)
		_ = http.NewResponseController(w).Flush()
		hangs(w, r)
	},
	"drops the connection": func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
	"fails":                func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "oops", http.StatusInternalServerError) },
	"redirects":            func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusTemporaryRedirect) },
	"answers with a page":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<!doctype html>") },
	"answers nothing":      func(http.ResponseWriter, *http.Request) {},
	"cuts its JSON":        func(w http.ResponseWriter, _ *http.Request) { jsonTo(w, `{"ok":{"read":[">"`) },
	"misspells a member":   func(w http.ResponseWriter, _ *http.Request) { jsonTo(w, `{"ok":{"reads":[">"]}}`) },
	"says two things":      func(w http.ResponseWriter, _ *http.Request) { jsonTo(w, `{"ok":{},"error":{}}`) },
	"never stops":          neverStops,
}

func neverStops(w http.ResponseWriter, r *http.Request) {
	jsonTo(w, `{"ok":{"user":"`)
	for r.Context().Err() == nil {
		if _, err := io.WriteString(w, strings.Repeat("x", 64<<10)); err != nil {
			return
		}
	}
}

// others are clients that the backend is not asked about.
type others struct {
	*child
	key, token *websocket.Conn // at /topics/news
	echo       *websocket.Conn
	rounds     int
}

// startWithBackend starts a server with a key and tokens.
func startWithBackend(t *testing.T, s *backendSite, args ...string) (*child, *others) {
	t.Helper()
	args = append(args, "-token-file", tokenFile(t), "-jwt-secret-files", tempFile(t, hmacSecret))
	c := startChild(t, s.flags(append(args, "-admin", "127.0.0.1:0")...)...)
	token := hmacToken(t, map[string]any{"sub": "ada", "read": []string{"news"}, "write": []string{"news"}})
	return c, &others{child: c, key: c.dial("/topics/news?token=secret"), token: c.dial("/topics/news?token=" + token), echo: c.dial("/echo?token=" + token)}
}

// areServed checks that others are.
func (o *others) areServed() {
	o.t.Helper()
	o.rounds++
	text := fmt.Sprint("round ", o.rounds)
	o.send(o.echo, text)
	o.wants(o.echo, websocket.MessageText, text)
	o.send(o.key, text)
	o.wants(o.token, websocket.MessageText, text)
	if r, body := o.request("POST", "/topics/news?token=secret", "text/plain", strings.NewReader("post")); r.StatusCode != 200 {
		o.t.Fatal(body)
	}
	for _, ws := range []*websocket.Conn{o.key, o.token} {
		o.wants(ws, websocket.MessageText, "post")
	}
}

// beginHandshake sends a handshake.
func beginHandshake(addr, path string) (net.Conn, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	_ = nc.SetDeadline(time.Now().Add(time.Minute))
	_ = writeHandshake(nc, addr, path)
	return nc, nil
}

func writeHandshake(w io.Writer, host, path string) error {
	_, err := fmt.Fprintf(w, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", path, host)
	return err
}

// handshake sends a handshake, and returns the status of the response and its field Retry-After.
func handshake(addr, path string) (status int, retry string, err error) {
	nc, err := beginHandshake(addr, path)
	if err != nil {
		return 0, "", err
	}
	defer nc.Close()
	resp, err := http.ReadResponse(bufio.NewReaderSize(nc, 512), nil)
	if err != nil {
		return 0, "", err
	}
	resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Retry-After"), nil
}

// 2,000 clients wait for a backend that hangs, and everybody else is served. When it goes down they all get 503 with
// Retry-After; when it is back, clients are admitted again, and nothing has remained.
func TestCrowdWaitsForTheBackend(t *testing.T) {
	t.Parallel()
	const crowd = 2000
	s := newBackendSite(t)
	s.does(hangs)
	c, o := startWithBackend(t, s, "-backend-timeout", "1m", "-handshake-timeout", "1m", "-backend-breaker-pause", "100ms")
	o.areServed()
	before, fds := c.health(), c.fds()

	var waiting sync.WaitGroup
	var refused, other atomic.Int64
	for i := range crowd {
		waiting.Go(func() {
			status, retry, err := handshake(c.addr, []string{"/echo", "/hub", "/topics/news"}[i%3])
			if status == http.StatusServiceUnavailable && retry != "" {
				refused.Add(1)
			} else if other.Add(1) == 1 {
				t.Logf("%d %q %v", status, retry, err)
			}
		})
	}
	c.eventually("all wait", func() bool { return c.health().Connections >= before.Connections+crowd })
	c.leave(200)
	c.eventually("those who leave are forgotten", func() bool { return c.health().Connections < before.Connections+crowd+100 })
	for range 20 {
		o.areServed()
	}
	if n := refused.Load() + other.Load(); n > 0 {
		t.Errorf("%d handshakes were answered already", n)
	}
	s.down()
	waiting.Wait()
	if n := refused.Load(); n != crowd {
		t.Errorf("%d of %d got 503 with Retry-After", n, crowd)
	}
	o.areServed()

	s.does(permits)
	s.up()
	c.admits("/echo?again")
	var h health
	if !settles(func() bool {
		h = c.health()
		return h.remainder(before) < crowd/4 && c.fds() <= fds+crowd/4 // a few idle connections for HTTP may be others than before
	}) {
		t.Errorf("what remains: %+v and %d descriptors; before there were %+v and %d", h, c.fds(), before, fds)
	}
	o.areServed()
	if n := c.goroutines("backend.(*endpoint).run"); n > 0 {
		t.Errorf("%d requests remain: %s", n, c.stderr.String())
	}
}

// remainder returns how many connections, and bytes of the least header, there are more than before.
func (h health) remainder(before health) int {
	return h.Connections - before.Connections + int(h.Held.Pending-before.Held.Pending+h.Held.Transfers-before.Held.Transfers)/100
}

// leave has clients begin a handshake and go before the answer.
func (c *child) leave(n int) {
	c.t.Helper()
	for range n {
		nc, err := beginHandshake(c.addr, "/echo")
		if err != nil {
			c.t.Fatal(err)
		}
		nc.Close()
	}
}

// admits waits until a client without a key or token is admitted.
func (c *child) admits(path string) {
	c.t.Helper()
	var status int
	var err error
	if !settles(func() bool { status, _, err = handshake(c.addr, path); return status == 101 }) {
		c.t.Fatalf("%s gets %d %v: %s", path, status, err, c.stderr.String())
	}
}

// The server waits no longer for the backend than -handshake-timeout.
func TestHandshakeTimeoutComesBeforeTheBackend(t *testing.T) {
	t.Parallel()
	s := newBackendSite(t)
	s.does(hangs)
	c := startChild(t, s.flags("-backend-timeout", "5m", "-handshake-timeout", "300ms", "-admin", "127.0.0.1:0")...)
	for _, path := range []string{"/echo", "/hub", "/topics/news"} {
		if status, retry, err := handshake(c.addr, path); status != http.StatusServiceUnavailable || retry == "" {
			t.Errorf("%s gets %d, Retry-After %q, %v", path, status, retry, err)
		}
	}
	c.eventually("nobody waits any more", func() bool { return c.health().Connections == 0 })
	s.does(permits)
	c.admits("/echo")
}

// Whatever the backend does wrong, clients get 503 with Retry-After in time, requests the error unavailable, and others are served.
// As soon as it behaves, clients are admitted again.
func TestFaultyBackend(t *testing.T) {
	t.Parallel()
	s := newBackendSite(t)
	c, o := startWithBackend(t, s, "-backend-timeout", "200ms", "-backend-breaker-failures", "3", "-backend-breaker-pause", "10ms")
	fails := func(name string) {
		for _, path := range []string{"/echo", "/hub", "/topics/news"} {
			for range 2 {
				if status, retry, err := handshake(c.addr, path); status != http.StatusServiceUnavailable || retry == "" {
					t.Errorf("the backend %s: %s gets %d, Retry-After %q, %v", name, path, status, retry, err)
				}
			}
		}
		ada := c.join("/hub?token="+hmacToken(t, map[string]any{"sub": "ada", "read": []string{"news"}, "write": []string{"news"}}), nil)
		ada.fails(`"do":"subscribe","topic":"inbox"`, wire.Unavailable, "")
		ada.fails(`"do":"publish","topic":"news","data":1`, wire.Unavailable, "")
		_ = ada.CloseNow()
		o.areServed()
	}
	for name, fault := range faults {
		s.does(fault)
		fails(name)
		s.does(permits)
		c.admits("/echo")
	}
	s.down()
	fails("is down")
	s.up()
	c.admits("/echo")
	if strings.Contains(c.stderr.String(), "panic") {
		t.Error(c.stderr.String())
	}
}

// With -backend-fallback allow, clients are admitted while the backend is down or hangs.
func TestBackendFallback(t *testing.T) {
	t.Parallel()
	s := newBackendSite(t)
	c, o := startWithBackend(t, s, "-backend-fallback", "allow", "-backend-timeout", "100ms", "-backend-breaker-failures", "3")
	s.does(hangs)
	for range 2 {
		for range 5 {
			c.admits("/echo")
		}
		anybody := c.join("/hub", nil)
		anybody.gets(`"do":"subscribe","topic":"news"`)
		anybody.gets(`"do":"publish","topic":"news","data":"hello"`)
		for _, ws := range []*websocket.Conn{o.key, o.token} {
			o.wants(ws, websocket.MessageText, `"hello"`)
		}
		_ = anybody.CloseNow()
		o.areServed()
		s.down()
	}
}
