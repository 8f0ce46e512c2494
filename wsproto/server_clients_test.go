package wsproto

import (
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"testing"
)

// viaProxy connects as the client at addr through a trusted proxy.
func viaProxy(t *testing.T, server, addr string) *peer {
	t.Helper()
	p := dialTCP(t, server)
	p.send(with("X-Forwarded-For: " + addr))
	return p
}

func crowded(t *testing.T, most int) *Server {
	proxies, err := ParseProxies("loopback")
	if err != nil {
		t.Fatal(err)
	}
	return &Server{Handler: echo(t), Proxies: proxies, MaxConnsPerClient: most}
}

// TestMaxConnsPerClient: an address that a proxy tells has a bounded number of connections.
func TestMaxConnsPerClient(t *testing.T) {
	var log logged
	s := crowded(t, 2)
	s.Logger = log.logger()
	addr := listen(t, s)
	var held []*peer
	for _, client := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"} {
		p := viaProxy(t, addr, client)
		p.response(http.StatusSwitchingProtocols)
		held = append(held, p)
	}
	for _, client := range []string{"192.0.2.1", "::ffff:192.0.2.1", "2001:db8::3"} {
		viaProxy(t, addr, client).retryAfterOf(http.StatusTooManyRequests)
	}
	if log.count("trusted-proxies") != 1 || log.count("level=WARN") != 1 {
		t.Error("the log does not say once what to do")
	}
	if st := s.Stats(); st.Limited.PerClient != 3 || st.Refusals[429] != 3 {
		t.Errorf("%+v", st.Limited)
	}
	held[0].reset()
	eventually(t, "one has gone", func() bool { return s.Stats().WebSockets == 5 })
	viaProxy(t, addr, "192.0.2.1").response(http.StatusSwitchingProtocols)
}

// TestClientsExempt: addresses of this machine and of proxies are not limited unless that is set.
func TestClientsExempt(t *testing.T) {
	for _, local := range []bool{false, true} {
		s := crowded(t, 1)
		s.CountLocal = local
		addr := listen(t, s)
		want := http.StatusSwitchingProtocols
		dialPeer(t, addr)
		if local {
			want = http.StatusTooManyRequests
		}
		ask(t, addr, "/").response(want)
	}
	s := crowded(t, 1)
	s.CountLocal, s.Engine.MaxConnsPerAddr = true, 100
	addr := listen(t, s)
	dialPeer(t, addr)
	dialPeer(t, addr) // the engine counts it
	viaProxy(t, addr, "192.0.2.1").response(http.StatusSwitchingProtocols)
	viaProxy(t, addr, "192.0.2.1").response(http.StatusTooManyRequests)
}

// TestClientsGiveBack: a handshake that comes to nothing does not count, and a connection that
// moves takes its place along.
func TestClientsGiveBack(t *testing.T) {
	conns := make(chan *Conn, 1)
	s, other := crowded(t, 1), crowded(t, 1)
	s.Handler = &Funcs{Open: func(c *Conn, _ *Request) { conns <- c }}
	s.Accept = func(r *Request) error {
		switch r.Path() {
		case "/refuse":
			return Refuse(http.StatusForbidden, "no")
		case "/panic":
			panic("on purpose")
		}
		return nil
	}
	addr, otherAddr := listen(t, s), listen(t, other)
	for path, status := range map[string]int{"/refuse": 403, "/panic": 500} {
		p := dialTCP(t, addr)
		p.send(withLine("GET "+path+" HTTP/1.1", "X-Forwarded-For: 192.0.2.1"))
		p.response(status)
	}
	p := viaProxy(t, addr, "192.0.2.1")
	p.response(http.StatusSwitchingProtocols)
	viaProxy(t, addr, "192.0.2.1").response(http.StatusTooManyRequests)
	moved := make(chan error, 1)
	next(t, conns).Leave(func(state *ConnState, err error) {
		if err == nil {
			_, err = other.Enter(state, echo(t))
		}
		moved <- err
	})
	if err := next(t, moved); err != nil {
		t.Fatal(err)
	}
	viaProxy(t, addr, "192.0.2.1").response(http.StatusSwitchingProtocols)
	viaProxy(t, otherAddr, "192.0.2.1").response(http.StatusTooManyRequests)
	p.expectEcho("moved")
	p.reset()
	eventually(t, "nothing is counted", func() bool { return other.clients.counted.Load() == 0 })
}

// TestClientsParallel counts from many goroutines, and ends with nothing.
func TestClientsParallel(t *testing.T) {
	k := newClients[*Conn]()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			addr := netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", i%3))
			for range 1000 {
				c := new(Conn)
				if k.add(c, addr, 2) {
					k.remove(c)
				}
				k.remove(c)
			}
		})
	}
	all.Wait()
	left := 0
	for i := range k.byAddr {
		left += len(k.byAddr[i].clients) + len(k.byConn[i].conns)
	}
	if left != 0 || k.counted.Load() != 0 {
		t.Errorf("%d entries, %d connections are left", left, k.counted.Load())
	}
}

// TestClientsOff: a server without the limit keeps nothing about its connections.
func TestClientsOff(t *testing.T) {
	k := newClients[*Conn]()
	c := new(Conn)
	if n := testing.AllocsPerRun(100, func() { k.remove(c) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
