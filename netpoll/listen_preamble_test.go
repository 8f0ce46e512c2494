//go:build linux

package netpoll

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// A preamble of the tests is a line: "from CLIENT SERVER", or "from -" for a connection of the proxy's own.
var (
	errNoFrom = errors.New("it does not begin with from")
	client1   = netip.MustParseAddrPort("192.0.2.1:1111")
	client2   = netip.MustParseAddrPort("[2001:db8::2]:2222")
	frontEnd  = netip.MustParseAddrPort("203.0.113.9:443")
)

func line(client netip.AddrPort) []byte {
	return []byte("from " + client.String() + " " + frontEnd.String() + "\n")
}

func parseLine(first []byte) (n int, client, server netip.AddrPort, err error) {
	const begin = "from "
	if !bytes.HasPrefix(first, []byte(begin)[:min(len(begin), len(first))]) {
		return 0, client, server, errNoFrom
	}
	end := bytes.IndexByte(first, '\n')
	if end < 0 {
		return 0, client, server, nil
	}
	if f := strings.Fields(string(first[:end])); len(f) == 3 {
		client, server = netip.MustParseAddrPort(f[1]), netip.MustParseAddrPort(f[2])
	}
	return end + 1, client, server, nil
}

// fromProxy is a Preamble of the proxy at addr.
func fromProxy(addr string) *Preamble {
	return &Preamble{From: func(a netip.Addr) bool { return a.IsValid() && a.String() == addr }, Parse: parseLine}
}

// proxied runs a test with a plain server and with one that has TLS. open connects through a proxy, which sends
// preamble by wrap, or as it is.
func proxied(t *testing.T, o Options, f func(t *testing.T, s *server, open func(preamble []byte, wrap func(net.Conn) net.Conn) net.Conn)) {
	for _, name := range []string{"plain", "TLS"} {
		t.Run(name, func(t *testing.T) {
			o := o
			if o.Preamble == nil {
				o.Preamble = fromProxy("127.0.0.1")
			}
			run := serve
			if name == "TLS" {
				run = serveTLS
			}
			s := run(t, o, echoing)
			f(t, s, func(preamble []byte, wrap func(net.Conn) net.Conn) net.Conn {
				var nc net.Conn = dial(t, s.addr)
				if wrap != nil {
					nc = wrap(nc)
				}
				_, _ = nc.Write(preamble)
				if name == "TLS" {
					nc = tls.Client(nc, clientTLS(0))
				}
				return nc
			})
		})
	}
}

func TestPreamble(t *testing.T) {
	proxied(t, Options{}, func(t *testing.T, s *server, open func([]byte, func(net.Conn) net.Conn) net.Conn) {
		for name, wrap := range map[string]func(net.Conn) net.Conn{
			"at once":      nil,
			"byte by byte": func(nc net.Conn) net.Conn { return bytewise{nc} },
		} {
			for _, client := range []netip.AddrPort{client1, client2} {
				nc := open(line(client), wrap)
				if err := roundTrip(nc, []byte("hello"), make([]byte, 8)); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				p := receive(t, "accept", s.new)
				if p.c.RemoteAddr() != client || p.c.LocalAddr() != frontEnd || p.c.Owner() != OwnerOf(client.Addr()) {
					t.Errorf("%s: from %v to %v, owner %v", name, p.c.RemoteAddr(), p.c.LocalAddr(), p.c.Owner())
				}
				nc.Close()
				receive(t, "OnClose", p.closed)
				if p.c.RemoteAddr().IsValid() {
					t.Error("a closed connection has an address")
				}
			}
		}
	})
}

// A connection of the proxy's own, such as a health check, keeps its addresses.
func TestPreambleOfTheProxy(t *testing.T) {
	proxied(t, Options{}, func(t *testing.T, s *server, open func([]byte, func(net.Conn) net.Conn) net.Conn) {
		nc := open([]byte("from -\n"), nil)
		if err := roundTrip(nc, []byte("hello"), make([]byte, 8)); err != nil {
			t.Fatal(err)
		}
		p := receive(t, "accept", s.new)
		if p.c.RemoteAddr().String() != nc.LocalAddr().String() || p.c.LocalAddr().String() != s.addr {
			t.Errorf("from %v to %v", p.c.RemoteAddr(), p.c.LocalAddr())
		}
	})
}

// The preamble of a peer that is not trusted is data.
func TestPreambleOfAStranger(t *testing.T) {
	s := serve(t, Options{Preamble: fromProxy("127.0.0.77")}, echoing)
	nc, p := s.connect(t)
	if err := roundTrip(nc, line(client1), make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if p.c.RemoteAddr().String() != nc.LocalAddr().String() {
		t.Errorf("from %v", p.c.RemoteAddr())
	}
}

// Without a preamble a connection is refused, with one line in the log for many of them.
func TestNoPreamble(t *testing.T) {
	log := newLogs()
	s := serve(t, Options{Preamble: fromProxy("127.0.0.1"), Logger: newLogger(log)}, echoing)
	for i, first := range []string{"GET / HTTP/1.1\r\n\r\n", "from " + strings.Repeat("x", 5<<10), "from half"} {
		nc := dial(t, s.addr)
		write(t, nc, []byte(first))
		if err := nc.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, nc) // until the end, or a reset
		eventually(t, "it is refused", func() bool { return s.Stats().RefusedPreamble == int64(i+1) })
	}
	check := dial(t, s.addr) // a load balancer that wants to know whether the server runs
	if err := check.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	expectEnd(t, check)
	if st := s.Stats(); st.RefusedPreamble != 3 || st.Refused != 3 {
		t.Errorf("%+v", st)
	}
	if n := log.count("refused a connection of a trusted proxy"); n < 1 || n > 3 {
		t.Errorf("%d lines in the log", n)
	}
}

// A preamble has as long as a TLS handshake.
func TestPreambleTimeout(t *testing.T) {
	o := Options{Preamble: fromProxy("127.0.0.1"), TLSTimeout: quickSweep, Sweep: quickSweep}
	s := serve(t, o, echoing)
	expectEnd(t, dial(t, s.addr))
	eventually(t, "it is counted", func() bool { return s.Stats().RefusedPreamble == 1 })
}

// A function that returns nonsense harms its connection only.
func TestPreambleNonsense(t *testing.T) {
	for name, parse := range map[string]func([]byte) (int, netip.AddrPort, netip.AddrPort, error){
		"negative": func([]byte) (n int, a, b netip.AddrPort, _ error) { return -1, a, b, nil },
		"too long": func(p []byte) (n int, a, b netip.AddrPort, _ error) { return len(p) + 1, a, b, nil },
		"panic":    func([]byte) (int, netip.AddrPort, netip.AddrPort, error) { panic("of the test") },
	} {
		t.Run(name, func(t *testing.T) {
			p := fromProxy("127.0.0.1")
			p.Parse = parse
			s := serve(t, Options{Preamble: p}, echoing)
			nc := dial(t, s.addr)
			write(t, nc, []byte("x"))
			expectEnd(t, nc)
		})
	}
}

// Limits by address count the client's, and exempt the proxy.
func TestPreambleCountsTheClient(t *testing.T) {
	const most = 2
	proxied(t, Options{MaxConnsPerAddr: most}, func(t *testing.T, s *server, open func([]byte, func(net.Conn) net.Conn) net.Conn) {
		buf := make([]byte, 8)
		var in []net.Conn
		for _, client := range []netip.AddrPort{client1, client2} {
			for range most {
				nc := open(line(client), nil)
				if err := roundTrip(nc, []byte("hello"), buf); err != nil {
					t.Fatal(err)
				}
				in = append(in, nc)
			}
			if roundTrip(open(line(client), nil), []byte("hello"), buf) == nil {
				t.Error("one more than the limit")
			}
		}
		if st := s.Stats(); st.RefusedByAddr != 2 || st.Refused != 2 {
			t.Errorf("%+v", st)
		}
		eventually(t, "the others are gone", func() bool { return s.Stats().Open == 2*most })
		in[0].Close()
		eventually(t, "one has left", func() bool { return s.Stats().Open == 2*most-1 })
		if err := roundTrip(open(line(client1), nil), []byte("hello"), buf); err != nil {
			t.Errorf("there is a place again: %v", err)
		}
	})
}

// A detached connection has the addresses of its preamble, too, and keeps them when it comes back.
func TestPreambleOfDetached(t *testing.T) {
	for _, withTLS := range []bool{false, true} {
		run := serve
		if withTLS {
			run = serveTLS
		}
		conns := make(chan net.Conn, 1)
		s := run(t, Options{Preamble: fromProxy("127.0.0.1")}, func(p *peer) {
			p.onData = func(data []byte) int {
				p.detached = true
				conns <- must[net.Conn](t)(p.c.Detach(nil))
				return len(data)
			}
		})
		var nc net.Conn = dial(t, s.addr)
		write(t, nc, line(client2))
		if withTLS {
			nc = tls.Client(nc, clientTLS(0))
		}
		write(t, nc, []byte("x"))
		out := receive(t, "Detach", conns)
		if out.RemoteAddr().String() != client2.String() || out.LocalAddr().String() != frontEnd.String() {
			t.Errorf("from %v to %v", out.RemoteAddr(), out.LocalAddr())
		}
		back := newPeer(t)
		if err := s.Adopt(out, nil, back); err != nil {
			t.Fatal(err)
		}
		if back.c.RemoteAddr() != client2 {
			t.Errorf("after Adopt from %v", back.c.RemoteAddr())
		}
		back.c.Close(io.EOF)
		receive(t, "OnClose", back.closed)
	}
}

// An endpoint can want preambles from everybody, and another one of the same engine from nobody.
func TestPreambleOfAnEndpoint(t *testing.T) {
	s := serve(t, Options{Preamble: fromProxy("127.0.0.77")}, echoing)
	accept := func() Handler {
		p := newPeer(t)
		p.opened = s.new
		echoing(p)
		return p
	}
	l := must[*Listener](t)(s.ListenOn(Endpoint{Addr: "127.0.0.1:0", Preamble: true}, accept))
	nc := dial(t, l.Addr().String())
	write(t, nc, line(client1))
	if err := roundTrip(nc, []byte("hello"), make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if p := receive(t, "accept", s.new); p.c.RemoteAddr() != client1 {
		t.Errorf("from %v", p.c.RemoteAddr())
	}
	if nc, p := s.connect(t); p.c.RemoteAddr().String() != nc.LocalAddr().String() {
		t.Errorf("at the other endpoint from %v", p.c.RemoteAddr())
	}
	if _, err := newEngine(t, Options{}).ListenOn(Endpoint{Addr: "127.0.0.1:0", Preamble: true}, accept); err == nil {
		t.Error("an endpoint wants preambles that nobody can parse")
	}
}

// A connection that begins to end while its preamble is read is not given to the program, and not counted.
func TestPreambleOfEnding(t *testing.T) {
	e := make(chan *Engine, 1)
	preamble := fromProxy("127.0.0.1")
	preamble.Parse = func(first []byte) (int, netip.AddrPort, netip.AddrPort, error) {
		n, client, server, err := parseLine(first)
		if n > 0 {
			(<-e).each(func(h Handler) { h.Conn().Close(ErrClosed) })
		}
		return n, client, server, err
	}
	s := serve(t, Options{Preamble: preamble, MaxConnsPerAddr: 5}, func(*peer) { t.Error("the program has got the connection") })
	e <- s.Engine
	nc := dial(t, s.addr)
	_, _ = nc.Write(line(client1))
	if _, err := nc.Read(make([]byte, 1)); err == nil {
		t.Error("something came")
	}
	eventually(t, "nothing is counted", func() bool {
		s.admission.mu.Lock()
		defer s.admission.mu.Unlock()
		return s.Stats().Open == 0 && len(s.admission.owners) == 0
	})
}
