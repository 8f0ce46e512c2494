//go:build linux

package netpoll

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// detaching has the peers of a server leave it at their first bytes, of which
// they take used, and gives what Detach returns to conns.
func detaching(t *testing.T, used int) (s *server, conns chan net.Conn) {
	conns = make(chan net.Conn, 10)
	s = serve(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.c.Write(nil, []byte("engine "))
			p.detached = true
			p.c.SetDeadline(1)
			nc, err := p.c.Detach(data[used:])
			if err != nil {
				t.Errorf("detach: %v", err)
			}
			clear(data) // unread is a copy
			if o := p.c.Write(nil, []byte("x")); o != Closed {
				t.Errorf("a write after Detach: %v, want closed", o)
			}
			conns <- nc
			return len(data)
		}
		p.onDeadline = func() { t.Error("OnDeadline after Detach") }
		p.onClose = func(error) { t.Error("OnClose after Detach") }
	})
	return s, conns
}

func TestDetach(t *testing.T) {
	s, conns := detaching(t, 2)
	client := dial(t, s.addr)
	write(t, client, []byte("##unread"))
	nc := receive(t, "Detach", conns)
	defer nc.Close()
	if n := s.Stats().Open; n != 0 {
		t.Errorf("%d connections are open", n)
	}
	write(t, client, []byte(" and more"))
	expect(t, nc, "unr") // less than there is
	expect(t, nc, "ead and more")
	write(t, nc, []byte("and beyond"))
	expect(t, client, "engine and beyond")
	client.CloseWrite()
	expectEnd(t, nc)
	nc.Close()
	expectEnd(t, client) // no descriptor is left that holds the socket open
}

func TestDetachWriteTo(t *testing.T) {
	for _, unread := range []string{"unread ", ""} {
		s, conns := detaching(t, len("##"))
		client := dial(t, s.addr)
		write(t, client, []byte("##"+unread))
		nc := receive(t, "Detach", conns)
		defer nc.Close()
		write(t, client, []byte("and more"))
		client.CloseWrite()
		var got bytes.Buffer
		n, err := nc.(io.WriterTo).WriteTo(&got)
		if want := unread + "and more"; got.String() != want || n != int64(len(want)) || err != nil {
			t.Errorf("got %q, %d, %v; want %q", got.String(), n, err, want)
		}
	}
}

var errFull = errors.New("no room")

type fullWriter struct{}

func (fullWriter) Write(p []byte) (int, error) { return min(1, len(p)), errFull }

// What a failed WriteTo did not write can still be read.
func TestDetachWriteToFails(t *testing.T) {
	s, conns := detaching(t, 0)
	client := dial(t, s.addr)
	write(t, client, []byte("unread"))
	nc := receive(t, "Detach", conns)
	defer nc.Close()
	if n, err := nc.(io.WriterTo).WriteTo(fullWriter{}); n != 1 || err != errFull {
		t.Errorf("wrote %d, %v", n, err)
	}
	expect(t, nc, "nread")
}

// A connection with pending writes stays where it is.
func TestDetachPending(t *testing.T) {
	result := make(chan error, 1)
	s := serve(t, Options{MaxPending: 1 << 20}, func(p *peer) {
		p.onData = func(data []byte) int {
			if data[0] != 'd' {
				return p.echo(data)
			}
			fill(t, p, 1<<20, 1)
			_, err := p.c.Detach(data)
			result <- err
			return len(data)
		}
	})
	nc, p := s.connect(t)
	write(t, nc, []byte("d"))
	if err := receive(t, "Detach", result); err != ErrPending {
		t.Errorf("detach: %v, want ErrPending", err)
	}
	for p.c.Pending() > 0 {
		if _, _, err := readRecord(nc); err != nil {
			t.Fatal(err)
		}
	}
	p.c.Write(nil, record(0, 0, 1)) // the marker behind all others
	for w, i := -1, -1; w != 0 || i != 0; {
		var err error
		if w, i, err = readRecord(nc); err != nil {
			t.Fatal(err)
		}
	}
	write(t, nc, []byte("still here"))
	expect(t, nc, "still here")
}

// Without descriptors Detach fails, and the connection is closed in order.
func TestDetachWithoutDescriptors(t *testing.T) {
	result := make(chan error, 1)
	s := serve(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			_, err := p.c.Detach(data)
			result <- err
			return len(data)
		}
	})
	nc, p := s.connect(t)
	restore := noMoreFDs(t)
	write(t, nc, []byte("x"))
	err := receive(t, "Detach", result)
	closed := receive(t, "OnClose", p.closed)
	restore()
	if !errors.Is(err, unix.EMFILE) || closed != err {
		t.Errorf("detach: %v, closed with %v; want EMFILE", err, closed)
	}
}

// What the handler left over is not lost if it detaches from elsewhere.
func TestDetachKeepsTail(t *testing.T) {
	conns := make(chan net.Conn, 1)
	seen := make(chan struct{}, 1)
	s := serve(t, Options{Sweep: quickSweep}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.c.SetDeadline(1)
			p.c.notify(evRead) // which comes with the deadline, or in the turn before
			seen <- struct{}{}
			return len(data) - len("tail")
		}
		p.onDeadline = func() {
			p.detached = true
			nc, err := p.c.Detach([]byte(" unread"))
			if err != nil {
				t.Error(err)
			}
			conns <- nc
		}
	})
	client := dial(t, s.addr)
	write(t, client, []byte("head tail"))
	receive(t, "OnData", seen)
	nc := receive(t, "Detach", conns)
	defer nc.Close()
	expect(t, nc, "tail unread")
}

// Nor is what the handler has not seen yet.
func TestDetachAdopted(t *testing.T) {
	e := newEngine(t, Options{})
	for range 20 { // the first turn may have the event to read or not
		_, nc := accepted(t)
		conns := make(chan net.Conn, 1)
		p := newPeer(t)
		p.onOpen = func() {
			nc, err := p.c.Detach(nil)
			if err != nil {
				t.Error(err)
			}
			conns <- nc
		}
		if err := e.Adopt(nc, []byte("prefix"), p); err != nil {
			t.Fatal(err)
		}
		back := receive(t, "Detach", conns)
		expect(t, back, "prefix")
		back.Close()
	}
}

// accepted returns both ends of a connection that the engine does not know.
func accepted(t *testing.T) (client *net.TCPConn, nc net.Conn) {
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	client = dial(t, l.Addr().String())
	nc = must[net.Conn](t)(l.Accept())
	t.Cleanup(func() { nc.Close() })
	return client, nc
}

// The handler of an adopted connection sees what was read before, without any
// more data, and what comes then.
func TestAdopt(t *testing.T) {
	for _, unread := range []string{"prefix", ""} {
		e := newEngine(t, Options{})
		client, nc := accepted(t)
		var got strings.Builder
		p := newPeer(t)
		p.onData = func(data []byte) int {
			got.Write(data)
			return p.echo(data)
		}
		if err := e.Adopt(nc, []byte(unread), p); err != nil {
			t.Fatal(err)
		}
		expect(t, client, unread)
		write(t, client, []byte("more"))
		expect(t, client, "more")
		if _, err := nc.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the adopted net.Conn is open: %v", err)
		}
		client.Close()
		if err := receive(t, "OnClose", p.closed); err != io.EOF || got.String() != unread+"more" {
			t.Errorf("closed with %v after %q", err, got.String())
		}
	}
}

// A socket that blocks, as os.File.Fd leaves it behind, does not in the engine: what is
// written in a burst would wait for the peer, with a processor.
func TestAdoptOfBlocking(t *testing.T) {
	e := newEngine(t, Options{})
	client, nc := accepted(t)
	defer client.Close()
	f := must[*os.File](t)(nc.(*net.TCPConn).File())
	f.Fd()
	f.Close()
	p := newPeer(t)
	if err := e.Adopt(nc, nil, p); err != nil {
		t.Fatal(err)
	}
	p.c.mu.Lock()
	flags := must[int](t)(unix.FcntlInt(uintptr(p.c.fd), unix.F_GETFL, 0))
	p.c.mu.Unlock()
	if flags&unix.O_NONBLOCK == 0 {
		t.Error("it blocks")
	}
}

// The prefix is delivered also if the peer has gone meanwhile.
func TestAdoptOfClosed(t *testing.T) {
	e := newEngine(t, Options{})
	client, nc := accepted(t)
	client.Close()
	got := make(chan string, 1)
	p := newPeer(t)
	p.onData = func(data []byte) int {
		got <- string(data)
		return len(data)
	}
	if err := e.Adopt(nc, []byte("prefix"), p); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, "OnClose", p.closed); err != io.EOF {
		t.Errorf("closed with %v", err)
	}
	if g := receive(t, "OnData", got); g != "prefix" {
		t.Errorf("got %q", g)
	}
}

func TestAdoptRefused(t *testing.T) {
	const size = 8192
	e := newEngine(t, Options{ReadBuffer: size})
	client, nc := accepted(t)
	half := make([]byte, size/2)
	if err := e.Adopt(nc, append(half, 0), newPeer(t)); err != ErrTail {
		t.Errorf("too much unread: %v, want ErrTail", err)
	}
	if err := e.Adopt(&detachedConn{netConn: nc.(*net.TCPConn), unread: half, place: new(place)}, []byte{0}, newPeer(t)); err != ErrTail {
		t.Errorf("too much unread in two parts: %v, want ErrTail", err)
	}
	if err := e.Adopt(fakeConn{}, nil, newPeer(t)); err == nil {
		t.Error("something that is no TCP connection was adopted")
	}
	write(t, nc, []byte("as it was"))
	expect(t, client, "as it was")
}

type fakeConn struct{ net.Conn }

// A connection can leave and come back, with bytes in front from both sides.
func TestAdoptDetached(t *testing.T) {
	s, conns := detaching(t, len("##"))
	client := dial(t, s.addr)
	write(t, client, []byte("##of the socket"))
	nc := receive(t, "Detach", conns)
	expect(t, nc, "of the")
	p := newPeer(t)
	p.onData = p.echo
	if err := s.Adopt(nc, []byte("prefix"), p); err != nil {
		t.Fatal(err)
	}
	expect(t, client, "engine prefix socket")
	write(t, client, []byte("new"))
	expect(t, client, "new")
	if err := s.Adopt(nc, nil, p); err == nil {
		t.Error("a handler was taken twice")
	}
}
