package wsproto

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// admission counts the connections that Accept has admitted and OnClose has not ended.
type admission struct {
	Funcs
	asked, open atomic.Int64

	mu     sync.Mutex
	during func()      // in Accept
	atOpen func(*Conn) // in OnOpen
}

// hook sets what Accept and OnOpen do; nil for nothing.
func (a *admission) hook(during func(), atOpen func(*Conn)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.during, a.atOpen = during, atOpen
}

func (a *admission) hooks() (during func(), atOpen func(*Conn)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.during, a.atOpen
}

func (a *admission) accept(*Request) error {
	a.asked.Add(1)
	if during, _ := a.hooks(); during != nil {
		during()
	}
	a.open.Add(1)
	return nil
}

func (a *admission) OnOpen(c *Conn, _ *Request) {
	if _, atOpen := a.hooks(); atOpen != nil {
		atOpen(c)
	}
}

func (a *admission) OnClose(*Conn, *CloseError) { a.open.Add(-1) }

// TestAdmitted has connections that Accept admits end in every way that there is: OnClose
// always follows, on the server's own port and when net/http has accepted the connection.
func TestAdmitted(t *testing.T) {
	ways := map[string]func(t *testing.T, s *Server, a *admission, addr string){
		"closed by the peer": func(t *testing.T, _ *Server, _ *admission, addr string) {
			p := dialPeer(t, addr)
			p.send(closing(NormalClosure, ""))
			p.expectClose(NormalClosure)
			p.nc.Close()
		},
		"reset": func(t *testing.T, _ *Server, _ *admission, addr string) { dialPeer(t, addr).reset() },
		"gone before the response": func(t *testing.T, _ *Server, a *admission, addr string) {
			p := dialTCP(t, addr)
			a.hook(p.reset, nil)
			p.send(goodRequest("/"))
			eventually(t, "Accept is asked", func() bool { return a.asked.Load() == 1 })
		},
		"OnOpen panics": func(t *testing.T, _ *Server, a *admission, addr string) {
			a.hook(nil, func(*Conn) { panic("on purpose") })
			p := dialPeer(t, addr)
			p.expectClose(InternalError)
			p.nc.Close()
		},
		"OnOpen closes": func(t *testing.T, _ *Server, a *admission, addr string) {
			a.hook(nil, func(c *Conn) { c.Close(PolicyViolation, "") })
			p := dialPeer(t, addr)
			p.expectClose(PolicyViolation)
			p.nc.Close()
		},
		"shutdown in Accept": func(t *testing.T, s *Server, a *admission, addr string) {
			down := make(chan error, 1)
			a.hook(func() {
				go func() { down <- s.Shutdown(context.Background()) }()
				<-s.closed
			}, nil)
			p := dialTCP(t, addr)
			p.send(goodRequest("/"))
			eventually(t, "Accept is asked", func() bool { return a.asked.Load() == 1 })
			eventually(t, "the connection is open", func() bool { return s.Stats().Upgrades.Opened == 1 })
			p.nc.Close()
			if err := next(t, down); err != nil {
				t.Error(err)
			}
		},
		"shutdown": func(t *testing.T, s *Server, _ *admission, addr string) {
			p := dialPeer(t, addr)
			go func() { p.expectClose(GoingAway); p.nc.Close() }()
			shutdown(t, s)
		},
	}
	for name, way := range ways {
		for _, mounted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, mounted=%v", name, mounted), func(t *testing.T) {
				a := new(admission)
				s := &Server{Handler: a, Accept: a.accept, Logger: quiet}
				var addr string
				if mounted {
					addr = mountIn(t, s, s)
				} else {
					addr = listen(t, s)
				}
				way(t, s, a, addr)
				eventually(t, "what Accept took is given back", func() bool { return s.Stats().Upgrades.Opened == 1 && a.open.Load() == 0 })
				if st := s.Stats(); a.asked.Load() != 1 || st.WebSockets != 0 || len(st.Closes) != 1 {
					t.Errorf("Accept was asked %d times; %+v", a.asked.Load(), st)
				}
			})
		}
	}
}

// TestAcceptIsLast: Accept is not asked about a handshake that the server refuses.
func TestAcceptIsLast(t *testing.T) {
	a := new(admission)
	s := &Server{Handler: a, Accept: a.accept, Compression: new(Compression), Subprotocols: []string{"chat"}, MaxHeader: 1 << 10}
	addr := listen(t, s)
	for _, tt := range []struct {
		in     string
		status int
	}{
		{with("Sec-WebSocket-Extensions: permessage-deflate; ="), 400},
		{with("Sec-WebSocket-Key: short"), 400},
		{with("Sec-WebSocket-Version: 8"), 426},
		{with("-Host"), 400},
		{with("Origin: http://elsewhere.test"), 403},
		{with("Host: evil.example"), 421},
		{with("X-Large: " + letters(2<<10)), 431},
		{request("GET / HTTP/1.1", "Host: here.test"), 426},
	} {
		p := dialTCP(t, addr)
		p.send(tt.in)
		p.response(tt.status)
	}
	if n := a.asked.Load(); n != 0 {
		t.Errorf("Accept was asked %d times", n)
	}
	st := s.Stats()
	want := map[int]int64{400: 3, 403: 1, 421: 1, 426: 2, 431: 1}
	if fmt.Sprint(st.Refusals) != fmt.Sprint(want) || st.Upgrades.Refused != 6 || st.Upgrades.Opened != 0 {
		t.Errorf("%+v, want refusals %v", st, want)
	}
}

// TestAcceptNegotiated: Accept sees what was negotiated, and may change it.
func TestAcceptNegotiated(t *testing.T) {
	s := &Server{Handler: echo(t), Compression: new(Compression), Subprotocols: []string{"b", "a"}}
	s.Accept = func(r *Request) error {
		if r.Subprotocol != "a" || r.deflate == nil {
			t.Errorf("Accept sees subprotocol %q, compression %v", r.Subprotocol, r.deflate)
		}
		if r.Path() == "/none" {
			r.Subprotocol = ""
		}
		r.ResponseHeader.Set("X-Added", "1")
		r.ResponseHeader.Set("Connection", "close")
		return nil
	}
	addr := listen(t, s)
	for path, want := range map[string]string{"/": "a", "/none": ""} {
		p := dialTCP(t, addr)
		p.send(withLine("GET "+path+" HTTP/1.1", "Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Extensions: "+deflateName))
		h, _ := p.response(101)
		if h.Get("Sec-WebSocket-Protocol") != want || h.Get("X-Added") != "1" || fmt.Sprint(h["Connection"]) != "[Upgrade]" ||
			h.Get("Sec-WebSocket-Extensions") == "" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// TestAdmittedFull: a full server refuses a handshake before it asks Accept.
func TestAdmittedFull(t *testing.T) {
	a := new(admission)
	s := &Server{Handler: a, Accept: a.accept}
	s.Engine.MaxConns = 1
	addr := listen(t, s)
	first := dialPeer(t, addr)
	second := dialTCP(t, addr)
	second.send(goodRequest("/"))
	second.response(http.StatusServiceUnavailable)
	if a.asked.Load() != 1 || a.open.Load() != 1 || s.Stats().Refusals[503] != 1 {
		t.Errorf("Accept was asked %d times, %d are open; %+v", a.asked.Load(), a.open.Load(), s.Stats())
	}
	first.nc.Close()
	eventually(t, "what Accept took is given back", func() bool { return a.open.Load() == 0 })
}
