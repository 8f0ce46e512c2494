//go:build linux

package netpoll

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const recordAlert = 21

func TestTLSEcho(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		s := serveTLS(t, Options{}, echoing)
		c := dialTLS(t, s.addr, version, nil)
		p := receive(t, "OnOpen", s.new)
		state := p.c.TLS()
		if state == nil || state.Version != version || state.NegotiatedProtocol != "test" {
			t.Errorf("the server says of TLS: %+v", state)
		}
		buf := make([]byte, 200<<10)
		for _, n := range []int{1, 100, 16 << 10, 16<<10 + 1, 63 << 10, 200 << 10} {
			data := make([]byte, n)
			pattern(data, n)
			go c.Write(data)
			if _, err := io.ReadFull(c, buf[:n]); err != nil || !bytes.Equal(buf[:n], data) {
				t.Fatalf("%d bytes: %v, or others came back", n, err)
			}
		}
		if st := s.Stats(); st.TLSHandshakes != 0 || st.TLSHandshakesFailed != 0 || st.TLSHandshakesDone != 1 || st.Accepted != 1 || st.Open != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// Records that come in pieces, the ClientHello too.
func TestTLSBytewise(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		s := serveTLS(t, Options{}, echoing)
		c := dialTLS(t, s.addr, version, func(nc net.Conn) net.Conn { return bytewise{nc} })
		for i := range 20 {
			data := make([]byte, 1+i*7)
			pattern(data, i)
			if err := roundTrip(c, data, make([]byte, len(data))); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Many records in one segment: there is one event for all.
func TestTLSManyRecordsInOneRead(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		s := serveTLS(t, Options{}, echoing)
		b := &batch{Conn: dial(t, s.addr)}
		c := tls.Client(b, clientTLS(version))
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		b.hold = true
		for round := range 3 {
			var want []byte
			for i := range 1000 {
				data := bytes.Repeat([]byte{byte(i), byte(round)}, 1+i%9)
				write(t, c, data)
				want = append(want, data...)
			}
			b.flush(t)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("round %d: %v, or others came back", round, err)
			}
		}
	})
}

// The client's Finished and its first data in one segment.
func TestTLSDataBehindFinished(t *testing.T) {
	s := serveTLS(t, Options{}, echoing)
	b := &holdSecond{Conn: dial(t, s.addr)}
	c := tls.Client(b, clientTLS(tls.VersionTLS13))
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	write(t, c, []byte("at once"))
	b.release(t)
	expect(t, c, "at once")
}

// holdSecond sends the ClientHello, and holds back what follows.
type holdSecond struct {
	net.Conn
	sent bool
	open bool
	held []byte
}

func (h *holdSecond) Write(p []byte) (int, error) {
	if !h.sent || h.open {
		h.sent = true
		return h.Conn.Write(p)
	}
	h.held = append(h.held, p...)
	return len(p), nil
}

func (h *holdSecond) release(t testing.TB) {
	t.Helper()
	h.open = true
	write(t, h.Conn, h.held)
}

// A peer that does not read: the limit holds, nothing that was taken is lost or
// out of order, and it can go on.
func TestTLSFull(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		const writers = 3
		s := serveTLS(t, Options{MaxPending: 1 << 20}, echoing)
		c := dialTLS(t, s.addr, version, nil)
		p := receive(t, "OnOpen", s.new)
		taken := fill(t, p, 1<<20+16<<10, writers) // with what records add
		if o := p.c.Write(make([]byte, 1<<20), nil); o != Full {
			t.Errorf("a write over the limit: %v, want full", o)
		}
		if q := s.Stats().Queued; q == 0 || q != int64(p.c.Pending()) {
			t.Errorf("%d bytes are queued, the connection says %d", q, p.c.Pending())
		}
		next := make([]int, writers)
		for total := sum(taken); total > 0; total-- {
			w, i, err := readRecord(c)
			if err != nil {
				t.Fatal(err)
			}
			if w >= writers || i != next[w] {
				t.Fatalf("record %d of writer %d, want %v", i, w, next)
			}
			next[w]++
		}
		if err := roundTrip(c, []byte("on it goes"), make([]byte, 10)); err != nil {
			t.Error(err)
		}
	})
}

// A peer that sends without reading is held back, and loses nothing.
func TestTLSHeldBack(t *testing.T) {
	s := serveTLS(t, Options{MaxPending: 256 << 10}, echoing)
	c := dialTLS(t, s.addr, tls.VersionTLS13, nil)
	data := make([]byte, 8<<20)
	pattern(data, 0)
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(data)
		sent <- err
	}()
	p := receive(t, "OnOpen", s.new)
	eventually(t, "the server is held back", func() bool { return p.c.Pending() > 128<<10 })
	got := make([]byte, len(data))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%v, or other bytes came back", err)
	}
	if err := receive(t, "the client's write", sent); err != nil {
		t.Error(err)
	}
}

// Writers beside a turn that reads and writes.
func TestTLSWriters(t *testing.T) {
	s := serveTLS(t, Options{}, echoing)
	c := dialTLS(t, s.addr, tls.VersionTLS13, nil)
	p := receive(t, "OnOpen", s.new)
	const writers, each = 4, 300
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for range each {
				if o := p.c.Write([]byte{byte(w)}, bytes.Repeat([]byte{byte(w)}, 99)); !o.OK() {
					t.Errorf("writer %d: %v", w, o)
				}
			}
		})
	}
	wg.Go(func() {
		for range each {
			write(t, c, bytes.Repeat([]byte{writers}, 100))
		}
	})
	var got [writers + 1]int
	buf := make([]byte, 100)
	for range (writers + 1) * each {
		if _, err := io.ReadFull(c, buf); err != nil || !bytes.Equal(buf, bytes.Repeat(buf[:1], 100)) {
			t.Fatalf("%v, or mixed writes: %v", err, buf)
		}
		got[buf[0]]++
	}
	wg.Wait()
	for w, n := range got {
		if n != each {
			t.Errorf("%d of writer %d", n, w)
		}
	}
}

// close_notify comes after all that was written, and before the end of the socket.
func TestTLSFinish(t *testing.T) {
	s := serveTLS(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.c.WriteLast([]byte("bye"), nil)
			p.c.Finish(nil, waitLimit)
			return len(data)
		}
	})
	var r *recorder
	c := dialTLS(t, s.addr, tls.VersionTLS12, func(nc net.Conn) net.Conn {
		r = &recorder{Conn: nc}
		return r
	})
	p := receive(t, "OnOpen", s.new)
	write(t, c, []byte("x"))
	expect(t, c, "bye")
	expectEnd(t, c)
	if typ := r.lastRecord(); typ != recordAlert {
		t.Errorf("the last record is of type %d, want an alert", typ)
	}
	select {
	case err := <-p.closed:
		t.Errorf("closed with %v before the peer was", err)
	default: // lingers
	}
	c.Close()
	if err := receive(t, "OnClose", p.closed); err != io.EOF {
		t.Errorf("closed with %v", err)
	}
}

// Finish with a backlog: all of it, then close_notify.
func TestTLSFinishPending(t *testing.T) {
	s := serveTLS(t, Options{MaxPending: 1 << 20}, func(*peer) {})
	c := dialTLS(t, s.addr, tls.VersionTLS13, nil)
	p := receive(t, "OnOpen", s.new)
	taken := fill(t, p, 1<<20+16<<10, 2)
	p.c.Finish(nil, waitLimit)
	for range sum(taken) {
		if _, _, err := readRecord(c); err != nil {
			t.Fatal(err)
		}
	}
	expectEnd(t, c)
	c.Close()
	receive(t, "OnClose", p.closed)
}

// The peer's close_notify is the end, and is answered.
func TestTLSCloseNotify(t *testing.T) {
	s := serveTLS(t, Options{}, echoing)
	var r *recorder
	c := dialTLS(t, s.addr, tls.VersionTLS12, func(nc net.Conn) net.Conn {
		r = &recorder{Conn: nc}
		return r
	})
	p := receive(t, "OnOpen", s.new)
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, "OnClose", p.closed); err != io.EOF {
		t.Errorf("closed with %v, want the end", err)
	}
	expectEnd(t, c)
	if typ := r.lastRecord(); typ != recordAlert {
		t.Errorf("the last record is of type %d, want an alert", typ)
	}
}

// A record that is no TLS ends the connection with an error.
func TestTLSGarbage(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		s := serveTLS(t, Options{}, echoing)
		c := dialTLS(t, s.addr, version, nil)
		p := receive(t, "OnOpen", s.new)
		write(t, c.NetConn(), []byte{23, 3, 3, 0, 30, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
		if err := receive(t, "OnClose", p.closed); err == nil || err == io.EOF {
			t.Errorf("closed with %v", err)
		}
		if _, err := c.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Errorf("the client reads %v, want an alert", err)
		}
	})
}

// Idle connections have no goroutine.
func TestTLSGoroutines(t *testing.T) {
	s := serveTLS(t, Options{}, echoing)
	buf := make([]byte, 2)
	if err := roundTrip(dialTLS(t, s.addr, tls.VersionTLS13, nil), []byte("hi"), buf); err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	for range 50 {
		if err := roundTrip(dialTLS(t, s.addr, tls.VersionTLS13, nil), []byte("hi"), buf); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "no more goroutines than workers", func() bool { return runtime.NumGoroutine() <= before+4 })
}

// A detached connection goes on with TLS, and can come back.
func TestTLSDetachAdopt(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		conns := make(chan net.Conn, 1)
		s := serveTLS(t, Options{}, func(p *peer) {
			p.onData = func(data []byte) int {
				p.detached = true
				p.c.Write(nil, []byte("engine "))
				nc, err := p.c.Detach(data[1:])
				if err != nil {
					t.Errorf("detach: %v", err)
				}
				conns <- nc
				return len(data)
			}
		})
		c := dialTLS(t, s.addr, version, nil)
		write(t, c, []byte("#unread"))
		nc := receive(t, "Detach", conns)
		defer nc.Close()
		if n := s.Stats().Open; n != 0 {
			t.Errorf("%d connections are open", n)
		}
		if nc.RemoteAddr().String() != c.LocalAddr().String() {
			t.Errorf("the peer is %v, want %v", nc.RemoteAddr(), c.LocalAddr())
		}
		expect(t, nc, "unread")
		big := make([]byte, 1<<20)
		pattern(big, 0)
		go c.Write(big)
		expect(t, nc, string(big))
		go nc.Write(big)
		expect(t, c, "engine "+string(big))
		write(t, c, []byte("last"))
		expect(t, nc, "l")

		p := newPeer(t)
		p.onData = p.echo
		if err := s.Adopt(nc, []byte("first "), p); err != nil {
			t.Fatal(err)
		}
		expect(t, c, "first ast")
		if err := roundTrip(c, []byte("engine again"), make([]byte, 12)); err != nil {
			t.Error(err)
		}
		c.Close()
		receive(t, "OnClose", p.closed)
	})
}

// What somebody else shook hands with stays theirs.
func TestTLSAdoptForeign(t *testing.T) {
	e := newEngine(t, Options{})
	if err := e.Adopt(tls.Server(dial(t, listener(t)), serverTLS()), nil, newPeer(t)); !errors.Is(err, ErrForeignTLS) {
		t.Errorf("adopt: %v", err)
	}
}

// listener returns an address that accepts.
func listener(t testing.TB) string {
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func TestTLSDeadline(t *testing.T) {
	s := serveTLS(t, Options{Sweep: time.Millisecond}, func(p *peer) {
		p.onOpen = func() { p.c.SetDeadline(time.Millisecond) }
		p.onDeadline = func() { p.c.Write(nil, []byte("time")) }
	})
	c := dialTLS(t, s.addr, tls.VersionTLS13, nil)
	expect(t, c, "time")
}

// Beside what tls.Conn allocates for each look at its transport, of which there is
// one for each record and one that finds nothing, and the client's are like ours,
// nothing is.
func TestTLSAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	versions(t, func(t *testing.T, version uint16) {
		s := serveTLS(t, Options{}, echoing)
		c := dialTLS(t, s.addr, version, nil)
		p := receive(t, "OnOpen", s.new)
		data, buf, b := make([]byte, 128), make([]byte, 128), NewBuffer(make([]byte, 128))
		const n = 3000
		check := func(what string, looks uint64, f func()) {
			t.Helper()
			f()
			if got := allocations(func() {
				for range n {
					f()
				}
			}); got > looks*n+n/10 {
				t.Errorf("%d allocations for %d %s", got, n, what)
			}
		}
		check("echoes", 3, func() {
			if err := roundTrip(c, data, buf); err != nil {
				t.Error(err)
			}
		})
		check("deliveries", 1, func() {
			if o := p.c.WriteBuffer(b); o != Sent {
				t.Errorf("a write to an empty socket: %v", o)
			}
			if _, err := io.ReadFull(c, buf); err != nil {
				t.Error(err)
			}
		})
	})
}

// Only the address of a Unix socket is a UnixAddr; that of a connection whose peer has gone is an empty TCPAddr.
func TestTLSAddrOfLostPeer(t *testing.T) {
	pair := must[[2]int](t)(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	fd := must[int](t)(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)) // not connected
	defer unix.Close(fd)
	for fd, network := range map[int]string{pair[0]: "unix", fd: "tcp"} {
		s := &tlsTransport{conn: &Conn{fd: int32(fd)}}
		if a := s.RemoteAddr(); a.Network() != network {
			t.Errorf("%s: the address is %T %v", network, a, a)
		}
	}
}
