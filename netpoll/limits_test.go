//go:build linux

package netpoll

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Exempt peers have no bound; others do, and the log names one of them and the option.
func TestExemptAddr(t *testing.T) {
	log := newLogs()
	s := serve(t, Options{
		MaxConnsPerAddr: 1,
		ExemptAddr:      func(a netip.Addr) bool { return a == netip.MustParseAddr("127.0.0.2") || !a.IsValid() },
		ProxyOption:     "-trusted-proxies",
		Logger:          newLogger(log),
	}, echoing)
	_, onUnix := serveOn(t, s.Engine, Endpoint{Addr: "unix:" + socketPath(t)}, echoing)
	for range 3 {
		for _, nc := range []net.Conn{dialFrom(t, "127.0.0.2", s.addr), dialOn(t, onUnix)} {
			if err := roundTrip(nc, []byte("hello"), make([]byte, 8)); err != nil {
				t.Fatal(err)
			}
		}
	}
	dialFrom(t, "127.0.0.3", s.addr)
	for range 3 {
		expectEnd(t, dialFrom(t, "127.0.0.3", s.addr))
	}
	if st := s.Stats(); st.RefusedByAddr != 3 {
		t.Errorf("%+v", st)
	}
	if n := log.count("refused a connection, because its address has"); n != 3 { // two of them for debugging
		t.Errorf("%d lines in the log", n)
	}
}

// Without an exemption the peers of Unix sockets are one owner.
func TestUnixIsAnOwner(t *testing.T) {
	e := newEngine(t, Options{MaxConnsPerAddr: 1})
	s, l := serveOn(t, e, Endpoint{Addr: "unix:" + socketPath(t)}, echoing)
	dialOn(t, l)
	p := receive(t, "accept", s.new)
	nc := dialOn(t, l)
	if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
		t.Error(err)
	}
	p.c.Close(nil)
	receive(t, "OnClose", p.closed)
	dialOn(t, l)
	receive(t, "accept", s.new)
}

func TestIsLocal(t *testing.T) {
	for addr, want := range map[string]bool{"127.0.0.9": true, "::1": true, "::ffff:127.0.0.1": true, "192.0.2.1": false, "10.0.0.1": false} {
		if IsLocal(netip.MustParseAddr(addr)) != want {
			t.Errorf("%s: want %v", addr, want)
		}
	}
	if !IsLocal(netip.Addr{}) {
		t.Error("a Unix socket is local")
	}
}

// Limits that change hold for the next connection; those that are open stay.
func TestSetLimits(t *testing.T) {
	s := serve(t, Options{MaxConns: 3}, echoing)
	for range 3 {
		s.connect(t)
	}
	set := func(l Limits) {
		t.Helper()
		if err := s.SetLimits(l); err != nil {
			t.Fatal(err)
		}
	}
	expectEnd(t, dial(t, s.addr))
	set(Limits{MaxConns: 4})
	s.connect(t)
	expectEnd(t, dial(t, s.addr))
	set(Limits{MaxConns: 1})
	if st := s.Stats(); st.Open != 4 || !s.Full() {
		t.Errorf("%+v", st)
	}
	expectEnd(t, dial(t, s.addr))
	set(Limits{MaxConnsPerAddr: 1}) // counts from now on
	s.connect(t)
	expectEnd(t, dial(t, s.addr))
	set(Limits{})
	s.connect(t)
	if st := s.Stats(); st.Open != 6 || st.RefusedFull != 3 || st.RefusedByAddr != 1 || s.Full() {
		t.Errorf("%+v", st)
	}
	if l := s.Limits(); l.TLSHandshakes != 512 || l.MinDrain != 1024 || l.TotalPending != int(MemoryLimit()/8) {
		t.Errorf("%+v are not the defaults", l)
	}
	before := s.Limits()
	if err := s.SetLimits(Limits{MaxConnsPerAddr: -1}); err == nil || !strings.Contains(err.Error(), "MaxConnsPerAddr is -1") || s.Limits() != before {
		t.Errorf("%v, %+v", err, s.Limits())
	}
}

// A lower TotalPending closes the heaviest at once.
func TestSetTotalPending(t *testing.T) {
	s := serve(t, Options{TotalPending: 16 << 20, Loops: 1}, func(*peer) {})
	_, light := s.connect(t)
	_, heavy := s.connect(t)
	light.c.Charge(1 << 20)
	heavy.c.Charge(4 << 20)
	if err := s.SetLimits(Limits{TotalPending: 2 << 20}); err != nil {
		t.Fatal(err)
	}
	heavy.wantShed(t)
	light.wantOpen(t)
}

// sendHello connects a client that sends a ClientHello and nothing more.
func sendHello(t *testing.T, s *server) net.Conn {
	t.Helper()
	nc := dial(t, s.addr)
	write(t, nc, hello(t))
	return nc
}

// More places go to handshakes that wait; with fewer, those under way go on.
func TestSetTLSHandshakes(t *testing.T) {
	s := serveTLS(t, Options{TLSHandshakes: 1, TLSTimeout: time.Hour}, echoing)
	hellos := []net.Conn{sendHello(t, s), sendHello(t, s), sendHello(t, s)}
	eventually(t, "two wait", func() bool { st := s.Stats(); return st.TLSHandshakes == 1 && st.TLSHandshakesWaiting == 2 })
	if err := s.SetLimits(Limits{TLSHandshakes: 3}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "none waits", func() bool { st := s.Stats(); return st.TLSHandshakes == 3 && st.TLSHandshakesWaiting == 0 })
	if err := s.SetLimits(Limits{TLSHandshakes: 1}); err != nil {
		t.Fatal(err)
	}
	hellos[0].Close()
	eventually(t, "one has failed", func() bool { return s.Stats().TLSHandshakes == 2 })
	last := sendHello(t, s)
	eventually(t, "the next waits", func() bool { st := s.Stats(); return st.TLSHandshakes == 2 && st.TLSHandshakesWaiting == 1 })
	hellos[1].Close() // one more than there may be
	hellos[2].Close()
	eventually(t, "the next has its place", func() bool { st := s.Stats(); return st.TLSHandshakes == 1 && st.TLSHandshakesWaiting == 0 })
	last.Close()
}
