//go:build linux

package netpoll

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var errTest = errors.New("the test's own reason")

// Every way to the end calls OnClose once, with its reason; that it is called
// once is checked by serve.
func TestCloseReasons(t *testing.T) {
	const hello = "hello"
	for _, test := range []struct {
		name string
		set  func(p *peer)                  // before the connection exists
		act  func(nc *net.TCPConn, p *peer) // after hello was echoed
		want error
	}{
		{name: "peer closes", want: io.EOF,
			act: func(nc *net.TCPConn, _ *peer) { nc.Close() }},
		{name: "peer shuts its side", want: io.EOF,
			act: func(nc *net.TCPConn, _ *peer) { nc.CloseWrite() }},
		{name: "peer resets", want: unix.ECONNRESET,
			act: func(nc *net.TCPConn, _ *peer) { nc.SetLinger(0); nc.Close() }},
		{name: "closed from outside", want: errTest,
			act: func(_ *net.TCPConn, p *peer) { p.c.Close(errTest) }},
		{name: "closed without a reason", want: io.EOF,
			act: func(_ *net.TCPConn, p *peer) { p.c.Close(nil) }},
		{name: "closed twice", want: errTest,
			act: func(_ *net.TCPConn, p *peer) { p.c.Close(errTest); p.c.Close(io.ErrNoProgress) }},
		{name: "closed in OnData", want: errTest,
			set: func(p *peer) {
				p.onData = func(data []byte) int {
					if string(data) == "stop" {
						p.c.Close(errTest)
						return 0
					}
					return p.echo(data)
				}
			},
			act: func(nc *net.TCPConn, _ *peer) { nc.Write([]byte("stop")) }},
		{name: "finished, and the peer closes", want: errTest,
			act: func(nc *net.TCPConn, p *peer) { p.c.Finish(errTest, waitLimit); io.Copy(io.Discard, nc); nc.Close() }},
		{name: "finished, and the peer resets", want: errTest,
			act: func(nc *net.TCPConn, p *peer) { p.c.Finish(errTest, waitLimit); nc.SetLinger(0); nc.Close() }},
		{name: "finished, then closed", want: errTest,
			act: func(_ *net.TCPConn, p *peer) { p.c.Finish(errTest, waitLimit); p.c.Close(io.ErrNoProgress) }},
		{name: "closed, then finished", want: errTest,
			act: func(_ *net.TCPConn, p *peer) { p.c.Close(errTest); p.c.Finish(io.ErrNoProgress, waitLimit) }},
		{name: "finished without waitLimit", want: errTest,
			act: func(_ *net.TCPConn, p *peer) { p.c.Finish(errTest, 0) }},
		{name: "finished, and the peer does nothing", want: errTest,
			act: func(_ *net.TCPConn, p *peer) { p.c.Finish(errTest, 20*time.Millisecond) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, Options{Sweep: 2 * time.Millisecond}, func(p *peer) {
				p.onData = p.echo
				if test.set != nil {
					test.set(p)
				}
			})
			nc, p := s.connect(t)
			write(t, nc, []byte(hello))
			expect(t, nc, hello)
			test.act(nc, p)
			if err := receive(t, "OnClose", p.closed); err != test.want {
				t.Errorf("closed with %v, want %v", err, test.want)
			}
			checkClosed(t, p)
		})
	}
}

// checkClosed checks that no method of a closed connection has an effect.
func checkClosed(t *testing.T, p *peer) {
	t.Helper()
	c := &p.c
	if o := c.Write(nil, []byte("x")); o != Closed {
		t.Errorf("Write: %v, want closed", o)
	}
	if o := c.WriteBuffer(NewBuffer([]byte("x"))); o != Closed {
		t.Errorf("WriteBuffer: %v, want closed", o)
	}
	if c.WriteLast([]byte("x"), nil) {
		t.Error("WriteLast was taken")
	}
	if c.Pending() != 0 || c.LocalAddr().IsValid() || c.RemoteAddr().IsValid() {
		t.Error("a closed connection has pending bytes or addresses")
	}
	c.SetDeadline(time.Millisecond)
	c.Close(nil)
	c.Finish(nil, time.Second)
	if _, err := c.Detach(nil); err != ErrClosed {
		t.Errorf("Detach: %v, want ErrClosed", err)
	}
}

func TestZeroConn(t *testing.T) { checkClosed(t, new(peer)) }

// What is pending is sent before our side is shut, however long the peer waits.
func TestFinishFlushes(t *testing.T) {
	const size = 12 << 20 // more than the kernel takes
	data := make([]byte, size)
	pattern(data, 0)
	s := serve(t, Options{MaxPending: size}, func(p *peer) {
		p.onData = func(in []byte) int {
			p.c.Write(nil, data[:size/2])
			p.c.WriteBuffer(NewBuffer(data[size/2:]))
			p.c.Finish(errTest, waitLimit)
			if o := p.c.Write(nil, []byte("x")); o != Closed {
				t.Errorf("a write after Finish: %v, want closed", o)
			}
			return len(in)
		}
	})
	nc, p := s.connect(t)
	write(t, nc, []byte("x"))
	eventually(t, "Finish", func() bool {
		p.c.mu.Lock()
		defer p.c.mu.Unlock()
		return p.c.phase == flushing
	})
	if p.c.Pending() == 0 {
		t.Error("nothing is pending: the test tests nothing")
	}
	write(t, nc, make([]byte, 1<<20)) // input is thrown away, and does not reset
	expectChunk(t, nc, make([]byte, size), data, 0)
	expectEnd(t, nc)
	select {
	case err := <-p.closed:
		t.Fatalf("closed with %v before the peer has shut its side", err)
	default:
	}
	nc.Close()
	if err := receive(t, "OnClose", p.closed); err != errTest {
		t.Errorf("closed with %v, want %v", err, errTest)
	}
}

// A peer that shut its side long before the last byte was sent is not waited for:
// its end was seen already.
func TestFinishAfterPeer(t *testing.T) {
	s := serve(t, Options{MaxPending: 1 << 20}, func(*peer) {})
	nc, p := s.connect(t)
	taken := fill(t, p, 1<<20, 1)
	p.c.Finish(errTest, time.Hour)
	nc.CloseWrite()
	turnOver(t, p) // the end of the peer is seen
	for range sum(taken) {
		if _, _, err := readRecord(nc); err != nil {
			t.Fatal(err)
		}
	}
	expectEnd(t, nc)
	if err := receive(t, "OnClose", p.closed); err != errTest {
		t.Errorf("closed with %v, want %v", err, errTest)
	}
}

// A peer that takes nothing does not keep the connection for longer than the
// waitLimit, and no deadline of the handler makes it longer.
func TestFinishPatience(t *testing.T) {
	const wait = 30 * time.Millisecond
	s := serve(t, Options{Sweep: 2 * time.Millisecond, MaxPending: 1 << 20}, func(*peer) {})
	_, p := s.connect(t)
	fill(t, p, 1<<20, 1)
	begin := time.Now()
	p.c.Finish(errTest, wait)
	p.c.SetDeadline(0)
	p.c.SetDeadline(time.Hour)
	if err := receive(t, "OnClose", p.closed); err != errTest {
		t.Errorf("closed with %v, want %v", err, errTest)
	}
	if d := time.Since(begin); d < wait-time.Millisecond { // the clock counts whole ms
		t.Errorf("the waitLimit of %v was over after %v", wait, d)
	}
}

// The last bytes before the end are delivered before OnClose, also when both are
// found in one turn.
func TestDataBeforeEnd(t *testing.T) {
	for _, size := range []int{1, 4096, 1 << 20} {
		entered, release := make(chan struct{}, 1), newGate(t)
		var got int
		s := serve(t, Options{ReadBuffer: 4096}, func(p *peer) {
			p.onData = func(data []byte) int {
				if got == 0 {
					entered <- struct{}{}
					release.wait()
				}
				got += len(data)
				return len(data)
			}
		})
		nc, p := s.connect(t)
		write(t, nc, []byte("x"))
		receive(t, "OnData", entered)
		write(t, nc, make([]byte, size))
		nc.Close()
		release.open()
		if err := receive(t, "OnClose", p.closed); err != io.EOF {
			t.Errorf("closed with %v, want io.EOF", err)
		}
		if got != size+1 {
			t.Errorf("%d bytes arrived before the end, want %d", got, size+1)
		}
	}
}

// A connection that is closed in OnOpen gets no data, though some is there.
func TestCloseInOnOpen(t *testing.T) {
	sent := newGate(t)
	closed := make(chan error, 1)
	s := serve(t, Options{}, func(p *peer) {
		sent.wait() // so that the first event has both
		p.onOpen = func() { p.c.Close(errTest) }
		p.onData = func(data []byte) int {
			t.Errorf("OnData got %q", data)
			return len(data)
		}
		p.onClose = func(err error) { closed <- err }
	})
	write(t, dial(t, s.addr), []byte("x"))
	sent.open()
	if err := receive(t, "OnClose", closed); err != errTest {
		t.Errorf("closed with %v, want %v", err, errTest)
	}
}

// A peer that resets while bytes wait for it ends the connection though nobody
// reads from it.
func TestResetWithPending(t *testing.T) {
	const maxPending = 256 << 10
	s := serve(t, Options{MaxPending: maxPending}, func(*peer) {})
	nc, p := s.connect(t)
	fill(t, p, maxPending, 1)
	nc.SetLinger(0)
	nc.Close()
	if err := receive(t, "OnClose", p.closed); err != unix.ECONNRESET && err != unix.EPIPE {
		t.Errorf("closed with %v", err)
	}
	if q := s.Stats().Queued; q != 0 {
		t.Errorf("%d bytes are queued", q)
	}
}

// A handler that writes to a peer who has reset is told so, at the latest by
// OnClose, and no signal ends the process.
func TestWriteAfterReset(t *testing.T) {
	for _, size := range []int{1, 5000} { // gathered, and not
		entered, reset := make(chan struct{}, 1), newGate(t)
		s := serve(t, Options{ReadBuffer: 4096}, func(p *peer) {
			p.onData = func(data []byte) int {
				entered <- struct{}{}
				reset.wait()
				for end := time.Now().Add(waitLimit); p.c.Write(nil, make([]byte, size)) != Closed; {
					if size == 1 || time.Now().After(end) {
						break
					}
				}
				return len(data)
			}
		})
		nc, p := s.connect(t)
		write(t, nc, []byte("x"))
		receive(t, "OnData", entered)
		nc.SetLinger(0)
		nc.Close()
		eventually(t, "the reset has come", func() bool { return p.c.state.Load()&unix.EPOLLERR != 0 })
		reset.open()
		if err := receive(t, "OnClose", p.closed); err != unix.ECONNRESET && err != unix.EPIPE {
			t.Errorf("%d bytes: closed with %v", size, err)
		}
	}
}

// Close from outside does not wait for a handler that blocks, and OnClose waits.
func TestCloseWhileHandlerBlocks(t *testing.T) {
	_, nc, p, release := blockedHandler(t)
	p.c.Close(errTest)
	expectEnd(t, nc) // the peer sees it at once
	if n := p.closes.Load(); n != 0 {
		t.Error("OnClose runs beside OnData")
	}
	release.open()
	if err := receive(t, "OnClose", p.closed); err != errTest {
		t.Errorf("closed with %v, want %v", err, errTest)
	}
}

// Connections that are closed by somebody who walks over all of them, while they
// come and go: none is lost, none is closed twice, no stranger is hit.
func TestCloseOfNewborn(t *testing.T) {
	const clients, rounds = 8, 150
	s := serve(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.c.Write(nil, data)
			return len(data)
		}
	})
	stop := make(chan struct{})
	var killer, wg sync.WaitGroup
	killer.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				s.Each(func(h Handler) { h.Conn().Close(errTest) })
			}
		}
	})
	for range clients {
		wg.Go(func() {
			buf := make([]byte, 16)
			for range rounds {
				nc, err := net.Dial("tcp", s.addr)
				if err != nil {
					t.Error(err)
					return
				}
				nc.SetDeadline(time.Now().Add(waitLimit))
				if err = roundTrip(nc, []byte("echo"), buf); errors.Is(err, unix.EBADF) {
					t.Error(err) // somebody closed our number
				}
				if err = nc.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	killer.Wait()
	eventually(t, "all are closed", func() bool {
		s := s.Stats()
		return s.Accepted == clients*rounds && s.Open == 0
	})
}

// A panic closes its connection, and no other; the handler may still end it in
// its own way.
func TestPanic(t *testing.T) {
	lg := newLogs()
	boom := func() { panic("boom") }
	for _, test := range []struct {
		name  string
		set   func(p *peer)
		want  error
		sees  string // the client, before the end
		panic bool   // OnPanic is called
	}{
		{"OnOpen", func(p *peer) { p.onOpen = boom }, ErrPanic, "", true},
		{"OnData", func(p *peer) { p.onData = func([]byte) int { boom(); return 0 } }, ErrPanic, "", true},
		{"OnData says too much", func(p *peer) { p.onData = func(p []byte) int { return len(p) + 1 } }, ErrPanic, "", true},
		{"OnDeadline", func(p *peer) {
			p.onOpen = func() { p.c.SetDeadline(time.Millisecond) }
			p.onDeadline = boom
		}, ErrPanic, "", true},
		{"OnPanic", func(p *peer) {
			p.onOpen = boom
			p.onPanic = func(any) { panic("again") }
		}, ErrPanic, "", false},
		{"OnClose", func(p *peer) {
			p.onOpen = func() { p.c.Close(errTest) }
			p.onClose = func(error) { boom() }
		}, errTest, "", false},
		{"last words", func(p *peer) {
			p.onData = func([]byte) int { boom(); return 0 }
			p.onPanic = func(v any) {
				p.c.Write(nil, []byte("sorry"))
				p.c.Finish(errTest, waitLimit)
			}
		}, errTest, "sorry", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var bad *peer
			called := make(chan any, 1)
			s := serve(t, Options{Sweep: 2 * time.Millisecond, Logger: newLogger(lg)}, func(p *peer) {
				if p.onData = p.echo; bad != nil {
					return
				}
				bad = p
				p.onPanic = func(v any) { called <- v }
				test.set(p)
			})
			before := lg.count("handler panicked")
			victim, p := s.connect(t)
			other, _ := s.connect(t)
			write(t, victim, []byte("x"))
			if test.sees != "" {
				expect(t, victim, test.sees)
				victim.Close()
			}
			if err := receive(t, "OnClose", p.closed); err != test.want {
				t.Errorf("closed with %v, want %v", err, test.want)
			}
			if test.panic && len(called) != 1 {
				t.Error("OnPanic was not called")
			}
			eventually(t, "the panic is logged", func() bool { return lg.count("handler panicked") > before })
			write(t, other, []byte("alive"))
			expect(t, other, "alive")
		})
	}
}
