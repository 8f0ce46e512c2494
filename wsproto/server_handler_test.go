package wsproto

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// counting counts the messages of its connection.
type counting struct {
	Funcs
	name string
	n    int
}

func (h *counting) OnMessage(c *Conn, _ Opcode, _ []byte) {
	h.n++
	c.SendText(fmt.Sprint(h.name, " ", h.n))
}

// TestNewHandler: each connection has a handler of its own, and only if it is opened.
func TestNewHandler(t *testing.T) {
	var made atomic.Int64
	s := &Server{
		Handler: &Funcs{Open: func(*Conn, *Request) { t.Error("Handler got a connection") }},
		NewHandler: func(r *Request) Handler {
			made.Add(1)
			return &counting{name: r.Header.Get("X-User")}
		},
		Accept: func(r *Request) error {
			if r.Header.Get("X-User") == "" {
				return Refuse(http.StatusUnauthorized, "a name is missing")
			}
			return nil
		},
	}
	addr := listen(t, s)
	refused := dialTCP(t, addr)
	refused.send(goodRequest("/"))
	refused.response(http.StatusUnauthorized)
	var peers []*peer
	for i := range 3 {
		p := dialTCP(t, addr)
		p.send(with(fmt.Sprintf("X-User: u%d", i)))
		p.response(http.StatusSwitchingProtocols)
		peers = append(peers, p)
	}
	for n := range 2 {
		for i, p := range peers {
			p.send(text("x"))
			p.expect(Text, fmt.Sprintf("u%d %d", i, n+1))
		}
	}
	if made.Load() != 3 {
		t.Errorf("%d handlers for 3 connections", made.Load())
	}
}

// TestTag: what Accept has found out comes to OnOpen, and the tag of OnOpen to OnClose.
func TestTag(t *testing.T) {
	const n = 20
	tags := make(chan uint32, n)
	s := &Server{
		Accept: func(r *Request) error {
			r.Value = r.Header.Get("X-User")
			return nil
		},
		Handler: &Funcs{
			Open: func(c *Conn, r *Request) {
				var tag uint32
				_, _ = fmt.Sscanf(r.Value.(string), "u%d", &tag)
				c.SetTag(tag)
			},
			Message: func(c *Conn, op Opcode, p []byte) { c.SendText(fmt.Sprint(c.Tag())) },
			Close:   func(c *Conn, _ *CloseError) { tags <- c.Tag() },
		},
	}
	addr := listen(t, s)
	var peers []*peer
	for i := range n {
		p := dialTCP(t, addr)
		p.send(with(fmt.Sprintf("X-User: u%d", 1000*i)))
		p.response(http.StatusSwitchingProtocols)
		peers = append(peers, p)
	}
	for _, i := range rand.Perm(n) {
		peers[i].send(text("x"))
		peers[i].expect(Text, fmt.Sprint(1000*i))
		peers[i].nc.Close()
		if tag := next(t, tags); tag != uint32(1000*i) {
			t.Errorf("tag %d at the end, want %d", tag, 1000*i)
		}
	}
}

// twoPaths is a router with two WebSockets, which one Server opens.
func twoPaths(s *Server, errs chan<- error) http.Handler {
	mux := http.NewServeMux()
	upgrade := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Route", r.Pattern)
			errs <- s.Upgrade(w, r, &counting{name: name + " " + r.PathValue("id")})
		}
	}
	mux.Handle("/a/{id}", upgrade("a"))
	mux.Handle("/b/{id}", upgrade("b"))
	return mux
}

// TestUpgrade opens WebSockets of two handlers on two paths with one Server: in a server of
// net/http, and on its own port, with and without TLS, as the first request and as a later
// one.
func TestUpgrade(t *testing.T) {
	errs := make(chan error, 100)
	talk := func(t *testing.T, p *peer, path string) {
		t.Helper()
		p.send(withLine("GET /"+path+"/7 HTTP/1.1", "Connection: keep-alive, Upgrade"))
		h, _ := p.response(http.StatusSwitchingProtocols)
		if got := h.Get("X-Route"); got != "/"+path+"/{id}" || len(h["Connection"]) != 1 {
			t.Errorf("%s: %v", path, h)
		}
		p.send(text("x") + text("y"))
		p.expect(Text, path+" 7 1")
		p.expect(Text, path+" 7 2")
		if err := next(t, errs); err != nil {
			t.Error(err)
		}
	}
	t.Run("net/http", func(t *testing.T) {
		s := &Server{Logger: quiet}
		addr := mountIn(t, s, twoPaths(s, errs))
		talk(t, dialTCP(t, addr), "a")
		talk(t, dialTCP(t, addr), "b")
	})
	t.Run("own port", func(t *testing.T) {
		s := &Server{}
		s.HTTP = twoPaths(s, errs)
		addr := listen(t, s)
		talk(t, dialTCP(t, addr), "a")
		p := dialTCP(t, addr)
		p.send(request("GET /missing HTTP/1.1", "Host: example.test"))
		p.response(http.StatusNotFound)
		talk(t, p, "b")
		q := dialTCP(t, addr)
		q.send(withLine("GET /missing HTTP/1.1"))
		q.response(http.StatusNotFound)
	})
	t.Run("own port with TLS", func(t *testing.T) {
		s := &Server{}
		s.HTTP = twoPaths(s, errs)
		addr, config := listenTLS(t, s)
		p := dialTLS(t, addr, config)
		p.send(withLine("GET /a/7 HTTP/1.1"))
		p.response(http.StatusSwitchingProtocols)
		p.send(text("x"))
		p.expect(Text, "a 7 1")
		if err := next(t, errs); err != nil {
			t.Error(err)
		}
		if st := s.Stats(); st.TLSHandshakesDone != 1 || st.WebSockets != 1 || st.MessagesIn != 1 || st.MessagesOut != 1 || st.BytesIn == 0 || st.BytesOut == 0 {
			t.Errorf("%+v", st)
		}
	})
	t.Run("refused", func(t *testing.T) {
		s := &Server{Logger: quiet, Accept: func(*Request) error { return Refuse(http.StatusForbidden, "no") }}
		addr := mountIn(t, s, twoPaths(s, errs))
		for _, tt := range []struct {
			in     string
			status int
		}{
			{withLine("GET /a/1 HTTP/1.1"), 403},
			{withLine("GET /a/1 HTTP/1.1", "Sec-WebSocket-Version: 8"), 426},
			{request("GET /a/1 HTTP/1.1", "Host: here.test"), 426},
			{withLine("POST /a/1 HTTP/1.1", "Content-Length: 1") + "x", 400},
		} {
			p := dialTCP(t, addr)
			p.send(tt.in)
			p.response(tt.status)
			var refusal *Refusal
			if err := next(t, errs); !errors.As(err, &refusal) || refusal.Status != tt.status {
				t.Errorf("%.20q: %v, want status %d", tt.in, err, tt.status)
			}
		}
	})
	t.Run("not hijackable", func(t *testing.T) {
		s := &Server{Logger: quiet}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Upgrade", "websocket")
		w := httptest.NewRecorder()
		if err := s.Upgrade(w, r, echo(t)); err == nil || w.Code != http.StatusHTTPVersionNotSupported {
			t.Errorf("%v, status %d", err, w.Code)
		}
		shutdown(t, s)
	})
}
