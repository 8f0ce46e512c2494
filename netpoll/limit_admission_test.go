//go:build linux

package netpoll

import (
	"io"
	"net"
	"net/netip"
	"testing"
)

// dialFrom is dial from an address of ours.
func dialFrom(t testing.TB, from, addr string) *net.TCPConn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	nc := must[net.Conn](t)(d.Dial("tcp", addr)).(*net.TCPConn)
	t.Cleanup(func() { nc.Close() })
	bound(nc)
	return nc
}

// A connection that is detached takes a place until it is closed, or adopted and closed.
func TestDetachedCountsAgainstMaxConns(t *testing.T) {
	const most = 2
	conns := make(chan net.Conn, most)
	s := serve(t, Options{MaxConns: most, MaxConnsPerAddr: most}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.detached = true
			conns <- must[net.Conn](t)(p.c.Detach(nil))
			return len(data)
		}
	})
	var out []net.Conn
	for range most {
		write(t, dial(t, s.addr), []byte("x"))
		out = append(out, receive(t, "Detach", conns))
	}
	expectEnd(t, dial(t, s.addr))
	if st := s.Stats(); st.Open != 0 || st.Detached != most || st.Refused != 1 || st.RefusedFull != 1 {
		t.Errorf("%+v", st)
	}
	back := newPeer(t)
	if err := s.Adopt(out[0], nil, back); err != nil {
		t.Fatal(err)
	}
	out[0].Close() // again, and for nothing
	if st := s.Stats(); st.Open != 1 || st.Detached != most-1 {
		t.Errorf("after Adopt: %+v", st)
	}
	expectEnd(t, dial(t, s.addr))
	out[1].Close()
	out[1].Close()
	back.c.Close(io.EOF)
	receive(t, "OnClose", back.closed)
	for range most {
		write(t, dial(t, s.addr), []byte("x"))
		receive(t, "Detach", conns).Close()
	}
	if st := s.Stats(); st.Open != 0 || st.Detached != 0 || len(s.admission.owners) != 0 {
		t.Errorf("at the end: %+v, and %d addresses", st, len(s.admission.owners))
	}
}

func TestDetachedTLSCounts(t *testing.T) {
	conns := make(chan net.Conn, 1)
	s := serveTLS(t, Options{MaxConns: 1}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.detached = true
			conns <- must[net.Conn](t)(p.c.Detach(nil))
			return len(data)
		}
	})
	write(t, dialTLS(t, s.addr, 0, nil), []byte("x"))
	nc := receive(t, "Detach", conns)
	expectEnd(t, dial(t, s.addr))
	back := newPeer(t)
	if err := s.Adopt(nc, nil, back); err != nil {
		t.Fatal(err)
	}
	expectEnd(t, dial(t, s.addr))
	back.c.Close(io.EOF)
	receive(t, "OnClose", back.closed)
	write(t, dialTLS(t, s.addr, 0, nil), []byte("x"))
	receive(t, "Detach", conns).Close()
	if n := s.admission.taken.Load(); n != 0 {
		t.Errorf("%d places are taken at the end", n)
	}
}

// An error of Adopt leaves the place as it was.
func TestAdoptInVainCounts(t *testing.T) {
	s, conns := detaching(t, 1)
	write(t, dial(t, s.addr), []byte("x"))
	nc := receive(t, "Detach", conns)
	used := newPeer(t)
	client, other := accepted(t)
	defer client.Close()
	if err := s.Adopt(other, nil, used); err != nil {
		t.Fatal(err)
	}
	if err := s.Adopt(nc, nil, used); err == nil {
		t.Error("a handler was taken twice")
	}
	if st := s.Stats(); st.Open != 1 || st.Detached != 1 || s.admission.taken.Load() != 2 {
		t.Errorf("%+v", st)
	}
	nc.Close()
	if n := s.admission.taken.Load(); n != 1 {
		t.Errorf("%d places are taken after Close", n)
	}
}

func TestReserve(t *testing.T) {
	const most, reserve = 2, 1
	s := serve(t, Options{MaxConns: most, Reserve: reserve}, echoing)
	for i := range most + reserve {
		if s.Full() {
			t.Errorf("full with %d connections", i)
		}
		s.connect(t)
	}
	if !s.Full() {
		t.Error("not full")
	}
	expectEnd(t, dial(t, s.addr))
	if st := s.Stats(); st.Open != most+reserve || st.RefusedFull != 1 {
		t.Errorf("%+v", st)
	}
}

// One address that has what it may have keeps no other out.
func TestMaxConnsPerAddr(t *testing.T) {
	const most = 2
	s := serve(t, Options{MaxConnsPerAddr: most}, echoing)
	buf := make([]byte, 8)
	var in []net.Conn
	for _, from := range []string{"127.0.0.2", "127.0.0.3"} {
		for range most {
			nc := dialFrom(t, from, s.addr)
			if err := roundTrip(nc, []byte("hello"), buf); err != nil {
				t.Fatal(err)
			}
			in = append(in, nc)
		}
		expectEnd(t, dialFrom(t, from, s.addr))
	}
	if st := s.Stats(); st.Open != 2*most || st.Refused != 2 || st.RefusedByAddr != 2 {
		t.Errorf("%+v", st)
	}
	in[0].Close()
	eventually(t, "one has left", func() bool { return s.Stats().Open == 2*most-1 })
	expectEnd(t, dialFrom(t, "127.0.0.3", s.addr))
	if err := roundTrip(dialFrom(t, "127.0.0.2", s.addr), []byte("hello"), buf); err != nil {
		t.Errorf("there is a place again: %v", err)
	}
}

// The kernel tells listener and engine the same address.
func TestAcceptTellsAddress(t *testing.T) {
	for _, on := range []string{"127.0.0.1:0", "[::]:0"} {
		s := &server{Engine: newEngine(t, Options{MaxConnsPerAddr: 1})}
		opened := make(chan *peer, 1)
		l, err := s.Listen(on, func() Handler {
			p := newPeer(t)
			p.opened = opened
			return p
		})
		if err != nil {
			t.Skip(err)
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		dialFrom(t, "127.0.0.5", net.JoinHostPort("127.0.0.1", port))
		receive(t, "accept", opened)
		s.admission.mu.Lock()
		if s.admission.owners[netip.MustParseAddr("127.0.0.5")] == nil {
			t.Errorf("on %s: counted are %v", on, s.admission.owners)
		}
		s.admission.mu.Unlock()
	}
}

func TestOwnerOf(t *testing.T) {
	for _, tt := range []struct{ addr, owner string }{
		{"192.0.2.1", "192.0.2.1"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
		{"2001:db8:1:2::1", "2001:db8:1:2::"},
		{"2001:db8:1:3::1", "2001:db8:1:3::"},
		{"fe80::1%eth0", "fe80::"},
		{"::1", "::"},
	} {
		if got := OwnerOf(netip.MustParseAddr(tt.addr)); got != netip.MustParseAddr(tt.owner) {
			t.Errorf("OwnerOf(%s) = %v, want %s", tt.addr, got, tt.owner)
		}
	}
	if got := OwnerOf(netip.Addr{}); got.IsValid() {
		t.Errorf("OwnerOf of no address = %v", got)
	}
}

// A bound by address that ends while a connection comes does not refuse it.
func TestBoundByAddrEnds(t *testing.T) {
	a, key := new(admission), netip.MustParseAddr("192.0.2.1")
	a.init(Options{})
	a.set(Options{MaxConnsPerAddr: 1})
	for n := range 2 { // the key was asked for while there was a bound
		if _, ok := a.own(key); !ok || a.ownsAll(key) != (n == 0) {
			t.Errorf("connection %d: admitted %v, all %v", n+1, ok, a.ownsAll(key))
		}
		a.set(Options{})
	}
}
