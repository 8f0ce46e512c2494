//go:build linux

package netpoll

import (
	"bytes"
	"io"
	"net"
	"testing"
)

// filler is a peer that has what it gets read to a buffer of its own, once a quarter of
// a message is there, and echoes what is complete. All messages have the same size. It
// leaves the engine at a message that begins with an exclamation mark.
type filler struct {
	*peer
	buf    []byte
	have   int
	filled int // calls of Filled
	left   chan net.Conn
}

func (f *filler) Fill() []byte {
	if f.have < len(f.buf)/4 {
		return nil
	}
	return f.buf[f.have:]
}

func (f *filler) Filled(n int) {
	f.enter("Filled")
	defer f.leave()
	f.filled++
	f.have += n
	f.answer()
}

func (f *filler) OnData(data []byte) int {
	f.enter("OnData")
	defer f.leave()
	if f.have == 0 && data[0] == '!' {
		f.detached = true
		f.left <- must[net.Conn](f.t)(f.c.Detach(data))
		return len(data)
	}
	for left := data; len(left) > 0; f.answer() {
		n := copy(f.buf[f.have:], left)
		left, f.have = left[n:], f.have+n
	}
	return len(data)
}

func (f *filler) answer() {
	if f.have == len(f.buf) {
		f.have = 0
		f.echo(f.buf)
	}
}

const fillerSize = 300_000

// adoptFiller gives e one end of a new connection and returns the other.
func adoptFiller(t testing.TB, e *Engine) (*net.TCPConn, *filler) {
	t.Helper()
	f := &filler{peer: newPeer(t), buf: make([]byte, fillerSize), left: make(chan net.Conn, 1)}
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	nc := dial(t, l.Addr().String())
	if err := e.Adopt(must[net.Conn](t)(l.Accept()), nil, f); err != nil {
		t.Fatal(err)
	}
	return nc, f
}

// inLargeReaders returns the number of connections among the largeReaders of e.
func inLargeReaders(e *Engine) (n int) {
	for _, l := range e.loops {
		l.largeReaders.mu.Lock()
		n += len(l.largeReaders.conns)
		l.largeReaders.mu.Unlock()
	}
	return n
}

// echoUntilLarge has messages echoed until one was read to where f wants it. How much of
// a message is there at a time is the kernel's choice.
func echoUntilLarge(t testing.TB, e *Engine, nc net.Conn, msg []byte) {
	t.Helper()
	eventually(t, "the connection is moved", func() bool {
		echoLarge(t, nc, msg)
		return inLargeReaders(e) > 0
	})
}

func echoLarge(t testing.TB, nc net.Conn, msg []byte) {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		_, err := nc.Write(msg)
		sent <- err
	}()
	got := make([]byte, len(msg))
	bound(nc)
	if _, err := io.ReadFull(nc, got); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, "write", sent); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, msg) {
		t.Fatal("the echo differs")
	}
}

// TestLargeReaders: a connection that brought a large message goes on as before, with single
// bytes, with an answer that waits for the peer, and to its end.
func TestLargeReaders(t *testing.T) {
	e := newEngine(t, Options{Loops: 1, MaxPending: 32 << 20})
	nc, f := adoptFiller(t, e)
	msg := make([]byte, fillerSize)
	pattern(msg, 7)
	echoUntilLarge(t, e, nc, msg)
	for i := range 200 { // each of them an event
		write(t, nc, msg[i:i+1])
	}
	write(t, nc, msg[200:])
	expect(t, nc, string(msg))

	const many = 50 // more than sockets hold
	if err := nc.SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	all := e.Stats().BytesIn + fillerSize*many
	write(t, nc, bytes.Repeat(msg, many))
	eventually(t, "all is read", func() bool { return e.Stats().BytesIn == all })
	if f.c.Pending() == 0 {
		t.Error("nothing is pending")
	}
	for range many {
		expect(t, nc, string(msg))
	}
	nc.Close()
	if err := receive(t, "OnClose", f.closed); err != io.EOF {
		t.Errorf("closed with %v, want %v", err, io.EOF)
	}
	if n := inLargeReaders(e); n != 0 {
		t.Errorf("%d connections are left in the set", n)
	}
	if f.filled == 0 {
		t.Error("nothing was read to where the handler wants it")
	}
}

// TestLargeReadersEnd: the set ends with the engine, whatever is in it, and takes nobody then.
func TestLargeReadersEnd(t *testing.T) {
	e := newEngine(t, Options{Loops: 1}) // checks that nothing is left behind
	nc, f := adoptFiller(t, e)
	msg := make([]byte, fillerSize)
	echoUntilLarge(t, e, nc, msg)
	f.c.Close(nil)
	receive(t, "OnClose", f.closed)
	var b largeReaders
	b.close()
	if b.add(&f.c, largeEvents{}) {
		t.Error("taken after the end")
	}
}

// Large messages are read straight into the handler's memory with TLS, too.
func TestFillerWithTLS(t *testing.T) {
	e := newEngine(t, Options{Loops: 1, MaxPending: 32 << 20})
	f := &filler{peer: newPeer(t), buf: make([]byte, fillerSize)}
	l := must[*Listener](t)(e.ListenTLS("127.0.0.1:0", TLS{Config: serverTLS()}, func() Handler { return f }))
	nc := dialTLS(t, l.Addr().String(), 0, nil)
	msg := make([]byte, fillerSize)
	pattern(msg, 3)
	echoUntilLarge(t, e, nc, msg)
	for range 5 {
		echoLarge(t, nc, msg)
	}
	nc.Close()
	receive(t, "OnClose", f.closed)
	if f.filled == 0 {
		t.Error("Filled was never called")
	}
}

// A connection that leaves the engine leaves the set too.
func TestLargeReadersDetach(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	nc, f := adoptFiller(t, e)
	echoUntilLarge(t, e, nc, make([]byte, fillerSize))
	write(t, nc, []byte("!gone"))
	own := receive(t, "Detach", f.left)
	defer own.Close()
	if n := inLargeReaders(e); n != 0 {
		t.Errorf("%d connections are left in the set", n)
	}
	expect(t, own, "!gone")
	write(t, nc, []byte("on"))
	expect(t, own, "on")
}

// TestLargeReadersChurn has connections come, be moved and go, so that numbers are used again.
func TestLargeReadersChurn(t *testing.T) {
	e := newEngine(t, Options{Loops: 2})
	msg := make([]byte, fillerSize)
	pattern(msg, 3)
	t.Run("sides", func(t *testing.T) {
		for range 4 {
			t.Run("side", func(t *testing.T) {
				t.Parallel()
				for range 8 {
					nc, f := adoptFiller(t, e)
					for range 3 {
						echoLarge(t, nc, msg)
					}
					nc.Close()
					receive(t, "OnClose", f.closed)
				}
			})
		}
	})
	if n := inLargeReaders(e); n != 0 {
		t.Errorf("%d connections are left in the set", n)
	}
}
