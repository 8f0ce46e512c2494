//go:build linux

package netpoll

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/internal/sys"
)

// With TLS, too, nothing comes between the pieces but what is urgent, and what waited
// follows in each writer's order, whatever its size and however slow the peer.
func TestTLSExclusive(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		const writers, each, pieceLen, pieceCount = 3, 20, 100 << 10, 40
		s := serveTLS(t, Options{MaxPending: 16 << 20}, func(*peer) {})
		c := dialTLS(t, s.addr, version, nil)
		p := receive(t, "OnOpen", s.new)
		// message is a record that says whose it is, and its number.
		message := func(who byte, n, size int) []byte {
			m := make([]byte, 9+size)
			m[0] = who
			binary.BigEndian.PutUint32(m[1:], uint32(n))
			binary.BigEndian.PutUint32(m[5:], uint32(size))
			pattern(m[9:], int(who)+n)
			return m
		}
		x := must[*Exclusive](t)(p.c.Reserve())
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					m := message(byte(w), i, []int{1, 3 * pieceSize, 100, 20 << 10}[(i+w)%4])
					o := Queued
					if i%2 == 0 {
						o = p.c.Write(m[:9], m[9:])
					} else {
						o = p.c.WriteBuffer(NewBuffer(m))
					}
					if o != Queued {
						t.Errorf("writer %d: %v", w, o)
					}
				}
			})
		}
		wg.Go(func() {
			for i := range pieceCount {
				m := message('x', i, pieceLen)
				if err := x.Write(m[:9], m[9:], waitLimit); err != nil {
					t.Error(err)
				}
				clear(m) // ours again
				if o := p.c.WriteUrgent(message('u', i, 50), nil); !o.OK() {
					t.Errorf("urgent: %v", o)
				}
			}
		})
		go func() {
			wg.Wait()
			x.Release()
		}()
		next := map[byte]int{}
		for range pieceCount*2 + writers*each {
			head := make([]byte, 9)
			if _, err := io.ReadFull(c, head); err != nil {
				t.Fatal(err)
			}
			who, n := head[0], int(binary.BigEndian.Uint32(head[1:]))
			if n != next[who] {
				t.Fatalf("message %d of %q, want %d", n, who, next[who])
			}
			next[who]++
			body := make([]byte, binary.BigEndian.Uint32(head[5:]))
			if _, err := io.ReadFull(c, body); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(body, message(who, n, len(body))[9:]) {
				t.Fatalf("message %d of %q is another than was written", n, who)
			}
			if who < writers && next['x'] != pieceCount {
				t.Fatalf("%d of writer %d comes after %d pieces", n, who, next['x'])
			}
		}
		eventually(t, "nothing is queued", func() bool { return s.Stats().Queued == 0 && p.c.Pending() == 0 })
	})
}

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
	turnOver(t, p)
	for full := 0; full < 10; full++ { // what TLS has to do with it the client never learns
		p.c.mu.Lock()
		if n, errno := sys.Send(p.c.fd, make([]byte, 4<<10), 0); errno == 0 && n > 0 {
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
		_ = b.SetDeadline(time.Now().Add(waitLimit)) // CloseWrite has set another
		b.flush(t)
		receive(t, "OnData", got)
		eventually(t, "it is held", p.c.Held)
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

// Shutdown ends an Exclusive that waits for the peer, and nothing stays counted.
func TestTLSShutdownExclusive(t *testing.T) {
	s := serveTLS(t, Options{}, func(*peer) {})
	dialTLS(t, s.addr, tls.VersionTLS13, nil)
	p := receive(t, "OnOpen", s.new)
	x := must[*Exclusive](t)(p.c.Reserve())
	written := make(chan error, 1)
	s.Go(func() { written <- x.Write(nil, make([]byte, 32<<20), waitLimit) })
	eventually(t, "the kernel is full", func() bool { return p.c.Pending() > 0 })
	p.c.Write(nil, make([]byte, 1000))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); err != context.Canceled {
		t.Error(err)
	}
	if err := receive(t, "Write", written); err != ErrClosed {
		t.Error(err)
	}
	x.Release()
	checkEmpty(t, s.Engine)
}
