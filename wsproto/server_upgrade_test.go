package wsproto

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// user is a middleware that knows who asks.
func user(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), ctxKey{}, r.Header.Get("X-User"))))
	})
}

// TestMountChi mounts a server in chi, which uses the place of the path parameters
// again as soon as a handler returns: each connection sees its own all the same.
func TestMountChi(t *testing.T) {
	see := func(r *Request) string {
		return fmt.Sprint(chi.URLParamFromCtx(r.Context(), "room"), " ", r.Context().Value(ctxKey{}), " ", r.Context().Err())
	}
	var accepted sync.Map
	h := echo(t)
	h.Open = func(c *Conn, r *Request) {
		runtime.Gosched() // time for others to go wrong
		saw, _ := accepted.Load(r.Path())
		c.SendText(fmt.Sprint(saw, ", ", see(r)))
	}
	s := &Server{Logger: quiet, Handler: h, Accept: func(r *Request) error {
		accepted.Store(r.Path(), see(r))
		return nil
	}}
	router := chi.NewRouter()
	router.Use(user)
	router.Route("/api", func(api chi.Router) { api.Handle("/rooms/{room}/ws", s) })
	router.Get("/pages/{room}", func(http.ResponseWriter, *http.Request) {})
	web := mountIn(t, s, router)

	page := dialTCP(t, web)
	var peers []*peer
	for i := range 300 {
		p := dialTCP(t, web)
		p.send(withLine(fmt.Sprintf("GET /api/rooms/%d/ws HTTP/1.1", i), fmt.Sprintf("X-User: u%d", i)))
		page.send(request("GET /pages/another HTTP/1.1", "Host: example.test"))
		peers = append(peers, p)
	}
	for i, p := range peers {
		page.response(http.StatusOK)
		p.response(http.StatusSwitchingProtocols)
		want := fmt.Sprintf("%d u%d <nil>", i, i)
		p.expect(Text, want+", "+want)
	}
}

// mountIn serves a router that a server is mounted in.
func mountIn(t testing.TB, s *Server, router http.Handler) (addr string) {
	web := httptest.NewServer(router)
	t.Cleanup(func() {
		web.Close()
		shutdown(t, s)
	})
	return web.Listener.Addr().String()
}

// TestMountShutdown shuts a server down while a mounted connection is in its OnOpen,
// which the handler of net/http waits for.
func TestMountShutdown(t *testing.T) {
	blocked, release := make(chan bool), make(chan bool)
	s := &Server{Logger: quiet, Handler: &Funcs{Open: func(*Conn, *Request) {
		blocked <- true
		<-release
	}}}
	addr := mountIn(t, s, s)
	p := dialTCP(t, addr)
	p.send(goodRequest("/"))
	next(t, blocked)
	down := make(chan error)
	go func() { down <- s.Shutdown(context.Background()) }()
	p.response(http.StatusSwitchingProtocols)
	p.expectClose(GoingAway)
	p.nc.Close()
	release <- true
	if err := next(t, down); err != nil {
		t.Error(err)
	}
}

// TestMountMemory compares what stays behind for connections that came through
// net/http with that for connections of the server's own port: no goroutine, and
// not net/http's 8 KiB of buffers.
func TestMountMemory(t *testing.T) {
	const conns, slack = 1000, 512 // what workers come and go with, and net/http's tables
	small := netpoll.Options{ReadBuffer: 4 << 10}
	direct, mounted := &Server{Handler: echo(t), Engine: small}, &Server{Handler: echo(t), Engine: small, Logger: quiet}
	own, theirs := listen(t, direct), mountIn(t, mounted, mounted)
	grow := func(addr string) (bytes, goroutines int64) {
		open := func(n int) {
			for range n {
				p := dialPeer(t, addr)
				p.expectEcho("x")
			}
		}
		open(50) // what there is once
		before, count := heap(), runtime.NumGoroutine()
		open(conns)
		return (heap() - before) / conns, int64(runtime.NumGoroutine() - count)
	}
	ownBytes, _ := grow(own)
	bytes, goroutines := grow(theirs)
	t.Logf("heap for each connection, of client and server: %d bytes, mounted %d; %d more goroutines for %d mounted", ownBytes, bytes, goroutines, conns)
	if bytes > ownBytes+slack {
		t.Errorf("a mounted connection keeps %d bytes, one of the server's own port %d", bytes, ownBytes)
	}
	if goroutines > 20 {
		t.Errorf("%d goroutines for %d connections", goroutines, conns)
	}
}

// heap returns the bytes in use when garbage, and what pools have, is collected.
func heap() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMountHeader gives the engine what net/http has parsed and handlers around the server have changed: all fields
// arrive, each limit holds, and no value can add a line.
func TestMountHeader(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(http.Header)
		status int
	}{
		{"added", func(h http.Header) { h["X-Seen"] = []string{"one", "two"} }, http.StatusSwitchingProtocols},
		{"empty value", func(h http.Header) { h.Set("X-Empty", "") }, http.StatusSwitchingProtocols},
		{"another line", func(h http.Header) { h.Set("X-Seen", "a\r\nOrigin: b") }, http.StatusBadRequest},
		{"no name", func(h http.Header) { h["X Seen"] = []string{"a"} }, http.StatusBadRequest},
		{"repeated", func(h http.Header) { h.Add("Sec-Websocket-Version", "13") }, http.StatusBadRequest},
		{"many", func(h http.Header) { h["X-Seen"] = make([]string, maxFields) }, http.StatusRequestHeaderFieldsTooLarge},
		{"large", func(h http.Header) { h.Set("X-Seen", strings.Repeat("a", 8<<10)) }, http.StatusRequestHeaderFieldsTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changed := make(chan http.Header, 1)
			h := echo(t)
			h.Open = func(c *Conn, r *Request) {
				want := <-changed
				want.Set("Host", "example.test")
				if got := r.Header.Clone(); !maps.EqualFunc(got, want, slices.Equal) || r.URI != "/a?b=c" {
					t.Errorf("%s and %v, want %v", r.URI, got, want)
				}
			}
			s := &Server{Logger: quiet, Handler: h, MaxHeader: 8 << 10}
			p := dialTCP(t, mountIn(t, s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				tt.change(r.Header)
				changed <- r.Header.Clone()
				s.ServeHTTP(w, r)
			})))
			p.send(withLine("GET /a?b=c HTTP/1.1"))
			p.response(tt.status)
			if tt.status == http.StatusSwitchingProtocols {
				p.expectEcho("hello")
			}
		})
	}
}
