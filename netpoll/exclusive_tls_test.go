//go:build linux

package netpoll

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

// Who goes on after a Write that took too long loses nothing of it.
func TestExclusiveLateAndOn(t *testing.T) {
	const size = 32 << 20
	s := serve(t, Options{}, func(*peer) {})
	nc, p := s.connect(t)
	data := make([]byte, size)
	pattern(data, 0)
	x := must[*Exclusive](t)(p.c.Reserve())
	if err := x.Write(nil, data, 5*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	clear(data)
	for _, word := range []string{"one", "two"} {
		if err := x.Write([]byte(word), []byte(word), time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	x.Release()
	got, want := make([]byte, 64<<10), make([]byte, 64<<10)
	for off := 0; off < size; off += len(got) {
		pattern(want, off)
		expectChunk(t, nc, got, want, off)
	}
	expect(t, nc, "oneonetwotwo")
	eventually(t, "nothing is queued", func() bool { return s.Stats().Queued == 0 })
}

// What a turn gathered stays its connection's when TLS has to answer, here with an
// alert, and the socket has no room for that.
func TestTLSAnswerToFullSocket(t *testing.T) {
	const size = minReadBuffer
	s := serveTLS(t, Options{Loops: 1, Workers: 1, ReadBuffer: size}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.c.Write(nil, []byte("secret"))
			return len(data)
		}
	})
	other := must[*Listener](t)(s.Listen("127.0.0.1:0", func() Handler {
		p := newPeer(t)
		p.onData = p.echo
		return p
	}))
	b := &batch{Conn: dial(t, s.addr)}
	c := tls.Client(b, clientTLS(tls.VersionTLS13))
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	p := receive(t, "OnOpen", s.new)
	eventually(t, "the turn is over", func() bool { return p.c.state.Load() == 0 })
	for full := 0; full < 10; full++ { // what TLS has to do with it the client never learns
		p.c.mu.Lock()
		if n, errno := send(p.c.fd, make([]byte, 4<<10)); errno == 0 && n > 0 {
			full = 0
		}
		p.c.mu.Unlock()
		if full > 0 {
			time.Sleep(time.Millisecond)
		}
	}
	b.hold = true
	write(t, c, make([]byte, size)) // all that one OnData gets
	b.held = append(b.held, 23, 3, 3, 0, 20)
	b.held = append(b.held, make([]byte, 20)...)
	b.flush(t)
	receive(t, "OnClose", p.closed)
	for range 3 {
		if err := roundTrip(dial(t, other.Addr().String()), []byte("public"), make([]byte, 6)); err != nil {
			t.Fatal(err)
		}
	}
}

// A session that is to be resumed is kept under the peer's address, if it has no name.
func TestDialTLSSessionCache(t *testing.T) {
	s := serveTLS(t, Options{}, echoing)
	config := clientTLS(tls.VersionTLS13)
	config.ServerName, config.InsecureSkipVerify = "", true
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for range 2 {
		p := newPeer(t)
		got := make(chan string, 1)
		p.onOpen = func() { p.c.Write(nil, []byte("hi")) }
		p.onData = func(data []byte) int {
			if len(data) == 2 {
				got <- string(data)
			}
			return len(data)
		}
		if err := s.DialTLS(netip.Addr{}, netip.MustParseAddrPort(s.addr), config, p); err != nil {
			t.Fatal(err)
		}
		receive(t, "the echo", got)
		if _, ok := config.ClientSessionCache.Get(s.addr); !ok {
			t.Error("no session is kept")
		}
		p.c.Close(nil)
		receive(t, "OnClose", p.closed)
	}
}

// What a handler has left over when it holds it sees again, though the peer's end came
// together with it.
func TestTLSHoldBeforeEnd(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		got := make(chan string, 2)
		s := serveTLS(t, Options{}, func(p *peer) {
			calls := 0
			p.onData = func(data []byte) int {
				got <- string(data)
				if calls++; calls == 1 {
					p.c.Hold()
					return 0
				}
				return len(data)
			}
		})
		b := &batch{Conn: dial(t, s.addr)}
		c := tls.Client(b, clientTLS(version))
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		p := receive(t, "OnOpen", s.new)
		b.hold = true
		write(t, c, []byte("last words"))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		_ = b.SetDeadline(time.Now().Add(patience)) // CloseWrite has set another
		b.flush(t)
		receive(t, "OnData", got)
		p.c.Resume()
		if words := receive(t, "OnData again", got); words != "last words" {
			t.Errorf("got %q", words)
		}
		if err := receive(t, "OnClose", p.closed); err != io.EOF {
			t.Error(err)
		}
	})
}

// An adopted connection is the engine's alone, even if somebody closes what it was.
func TestTLSAdoptThenClose(t *testing.T) {
	conns := make(chan net.Conn, 1)
	s := serveTLS(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.detached = true
			conns <- must[net.Conn](t)(p.c.Detach(nil))
			return len(data)
		}
	})
	c := dialTLS(t, s.addr, tls.VersionTLS13, nil)
	write(t, c, []byte("x"))
	nc := receive(t, "Detach", conns)
	p := newPeer(t)
	p.onData = p.echo
	if err := s.Adopt(nc, nil, p); err != nil {
		t.Fatal(err)
	}
	_ = nc.Close()
	if n, err := nc.Write([]byte("x")); err == nil {
		t.Errorf("%d bytes were written", n)
	}
	if err := s.Adopt(nc, nil, newPeer(t)); err == nil {
		t.Error("adopted twice")
	}
	if err := roundTrip(c, []byte("hi"), make([]byte, 2)); err != nil {
		t.Error(err)
	}
}
