//go:build linux

package netpoll

import (
	"context"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// counted is a Scheduler that counts, and tells.
type counted struct {
	n    atomic.Int32
	told chan struct{}
}

func newCounted() *counted { return &counted{told: make(chan struct{}, 100)} }

func (s *counted) Schedule() {
	s.n.Add(1)
	s.told <- struct{}{}
}

// want checks how often s was scheduled.
func (s *counted) want(t testing.TB, what string, n int32) {
	t.Helper()
	if got := s.n.Load(); got != n {
		t.Fatalf("%s: scheduled %d times, want %d", what, got, n)
	}
}

// stall writes until more is queued than the kernel may yet take by itself, and returns
// how many bytes were taken.
func (p *peer) stall(t testing.TB) (size int) {
	t.Helper()
	data := make([]byte, 64<<10)
	for {
		pattern(data, size)
		o := p.c.Write(nil, data)
		if !o.OK() {
			t.Fatal(o)
		}
		size += len(data)
		if p.c.Pending() > 1<<20 {
			return size
		}
	}
}

// expectPattern reads size bytes of a pattern that begins with off.
func expectPattern(t testing.TB, r io.Reader, off, size int) {
	t.Helper()
	bound(r)
	got, want := make([]byte, 32<<10), make([]byte, 32<<10)
	for end := off + size; off < end; {
		n := min(len(got), end-off)
		if _, err := io.ReadFull(r, got[:n]); err != nil {
			t.Fatal(err)
		}
		pattern(want[:n], off)
		if string(got[:n]) != string(want[:n]) {
			t.Fatalf("other bytes than were written, after %d", off)
		}
		off += n
	}
}

// leavesNothing checks that nothing is kept for who has been told.
func (p *peer) leavesNothing(t testing.TB) {
	t.Helper()
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if r := p.c.cold; r != nil && (r.tls == nil && r.load.class == 0 || r.drained != nil) {
		t.Errorf("left behind: %+v", r)
	}
}

// plainAndTLS runs a test with either kind of connection: nc is the peer's end.
func plainAndTLS(t *testing.T, opts Options, setup func(*peer), f func(t *testing.T, s *server, nc net.Conn, p *peer)) {
	t.Run("plain", func(t *testing.T) {
		s := serve(t, opts, setup)
		nc, p := s.connect(t)
		f(t, s, nc, p)
	})
	versions(t, func(t *testing.T, version uint16) {
		s := serveTLS(t, opts, setup)
		nc := dialTLS(t, s.addr, version, nil)
		f(t, s, nc, receive(t, "OnOpen", s.new))
	})
}

// Who is told once the queue is empty finds it so, is told once, and everything has
// arrived in order.
func TestWhenDrained(t *testing.T) {
	plainAndTLS(t, Options{}, func(*peer) {}, func(t *testing.T, s *server, nc net.Conn, p *peer) {
		for range 3 {
			pending := make(chan int, 10)
			task := s.NewTask(p.c.Loop(), func() { pending <- p.c.Pending() })
			size := p.stall(t)
			p.c.WhenDrained(task)
			p.c.WhenDrained(task) // no error, and no second run
			if n := p.c.Pending(); n == 0 || len(pending) > 0 {
				t.Fatalf("%d bytes are pending, and %d runs", n, len(pending))
			}
			expectPattern(t, nc, 0, size)
			if n := receive(t, "the wake-up", pending); n != 0 {
				t.Errorf("woken with %d bytes pending", n)
			}
			expectPattern(t, nc, 0, p.stall(t)) // nobody asked for this one
			eventually(t, "nothing is pending", func() bool { return p.c.Pending() == 0 })
			if len(pending) > 0 {
				t.Error("woken twice")
			}
		}
		p.leavesNothing(t)
	})
}

// With nothing pending, nobody waits, and nothing is kept.
func TestWhenDrainedAtOnce(t *testing.T) {
	s := serve(t, Options{}, func(*peer) {})
	nc, p := s.connect(t)
	w := newCounted()
	new(Conn).WhenDrained(w)
	w.want(t, "a connection that is none yet", 1)
	p.c.WhenDrained(w)
	w.want(t, "nothing is pending", 2)
	p.c.Write(nil, []byte("hello"))
	expect(t, nc, "hello")
	p.c.WhenDrained(w)
	w.want(t, "all was sent", 3)
	p.c.WhenDrained(nil)
	p.leavesNothing(t)
}

// However a connection ends, a waiting Scheduler is called once, and a later one at once.
func TestWhenDrainedOfTheEnded(t *testing.T) {
	for name, end := range map[string]func(s *server, nc net.Conn, p *peer){
		"closed":        func(_ *server, _ net.Conn, p *peer) { p.c.Close(errTest) },
		"closed as is":  func(_ *server, _ net.Conn, p *peer) { p.c.Close(nil) },
		"finished":      func(_ *server, _ net.Conn, p *peer) { p.c.Finish(errTest, waitLimit) },
		"sealed":        func(_ *server, _ net.Conn, p *peer) { p.c.WriteLast([]byte("bye"), errTest) },
		"peer is gone":  func(_ *server, nc net.Conn, _ *peer) { nc.Close() },
		"handler fails": func(_ *server, nc net.Conn, _ *peer) { nc.Write([]byte("panic")) },
		"shut down": func(s *server, _ net.Conn, _ *peer) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = s.Shutdown(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			setup := func(p *peer) { p.onData = func([]byte) int { panic("boom") } }
			plainAndTLS(t, Options{MaxPending: 64 << 20}, setup, func(t *testing.T, s *server, nc net.Conn, p *peer) {
				for range 4 { // more than the kernel takes by itself, and less than half of MaxPending
					p.stall(t)
					p.c.Write(nil, make([]byte, 4<<20))
				}
				w := newCounted()
				p.c.WhenDrained(w)
				w.want(t, "while it is pending", 0)
				end(s, nc, p)
				receive(t, "the wake-up", w.told)
				p.c.WhenDrained(w)
				w.want(t, "afterwards", 2)
				p.c.Close(nil)
				receive(t, "OnClose", p.closed)
				w.want(t, "at the end", 2)
				p.c.WhenDrained(w)
				w.want(t, "after the end", 3)
			})
		})
	}
}

// In a turn, gathered bytes are pending until the turn ends, whatever else happens in
// it.
func TestWhenDrainedInTurn(t *testing.T) {
	for name, act := range map[string]func(p *peer, w *counted){
		"gathered": func(*peer, *counted) {},
		"sent before": func(p *peer, _ *counted) { // more than fits, so it goes at once
			p.c.WriteBuffer(NewBuffer(make([]byte, 100)))
		},
		"panic": func(*peer, *counted) { panic("boom") },
		"blocks": func(p *peer, w *counted) { // the monitor sends it
			receive(p.t, "the wake-up", w.told)
			w.told <- struct{}{}
		},
		"finished": func(p *peer, w *counted) { // no need to wait for more
			p.c.Finish(errTest, waitLimit)
			w.want(p.t, "after Finish", 1)
		},
		"detached": func(p *peer, w *counted) {
			nc := must[net.Conn](p.t)(p.c.Detach(nil))
			p.detached = true
			w.want(p.t, "after Detach", 1)
			nc.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newCounted()
			s := serve(t, Options{}, func(p *peer) {
				p.onData = func(data []byte) int {
					p.c.WhenDrained(w)
					w.want(t, "nothing is gathered", 1)
					<-w.told
					w.n.Store(0)
					p.c.Write(nil, []byte("gathered"))
					p.c.WhenDrained(w)
					act(p, w)
					return len(data)
				}
			})
			nc, _ := s.connect(t)
			write(t, nc, []byte("x"))
			expect(t, nc, "gathered")
			receive(t, "the wake-up", w.told)
			w.want(t, "after the turn", 1)
		})
	}
}

// What waits behind an Exclusive is pending, until Release, and after it until it has
// left.
func TestWhenDrainedExclusive(t *testing.T) {
	plainAndTLS(t, Options{MaxPending: 32 << 20}, func(*peer) {}, func(t *testing.T, _ *server, nc net.Conn, p *peer) {
		w := newCounted()
		x := must[*Exclusive](t)(p.c.Reserve())
		p.c.WhenDrained(w)
		w.want(t, "nothing waits", 1)
		p.c.Write(nil, []byte("behind"))
		p.c.WhenDrained(w)
		if err := x.Write(nil, []byte("piece "), waitLimit); err != nil {
			t.Fatal(err)
		}
		expect(t, nc, "piece ")
		w.want(t, "reserved", 1)
		x.Release()
		w.want(t, "released", 2)
		expect(t, nc, "behind")

		x = must[*Exclusive](t)(p.c.Reserve())
		const size = 16 << 20 // more than the kernel takes
		data := make([]byte, size)
		pattern(data, 0)
		if o := p.c.Write(nil, data); o != Queued {
			t.Fatal(o)
		}
		p.c.WhenDrained(w)
		x.Release()
		w.want(t, "it has not left yet", 2)
		expectPattern(t, nc, 0, size)
		eventually(t, "the wake-up", func() bool { return w.n.Load() == 3 })

		x = must[*Exclusive](t)(p.c.Reserve())
		p.c.Write(nil, []byte("lost"))
		p.c.WhenDrained(w)
		w.want(t, "reserved again", 3)
		p.c.WriteLast([]byte("bye"), nil)
		w.want(t, "sealed", 4)
		x.Release()
		expect(t, nc, "bye")
		w.want(t, "released in vain", 4)
	})
}

// Only the last Scheduler is called, and none that was removed.
func TestWhenDrainedReplaced(t *testing.T) {
	s := serve(t, Options{}, func(*peer) {})
	nc, p := s.connect(t)
	first, second := newCounted(), newCounted()
	size := p.stall(t)
	p.c.WhenDrained(first)
	p.c.WhenDrained(second)
	expectPattern(t, nc, 0, size)
	receive(t, "the wake-up", second.told)
	size = p.stall(t)
	p.c.WhenDrained(second)
	p.c.WhenDrained(nil)
	p.leavesNothing(t)
	expectPattern(t, nc, 0, size)
	eventually(t, "nothing is pending", func() bool { return p.c.Pending() == 0 })
	first.want(t, "the first", 0)
	second.want(t, "the second", 1)
}

// wakeups is a Scheduler for any number of goroutines: each waits for the next one.
type wakeups struct {
	mu   sync.Mutex
	next chan struct{}
}

func (w *wakeups) Schedule() {
	w.mu.Lock()
	close(w.next)
	w.next = make(chan struct{})
	w.mu.Unlock()
}

func (w *wakeups) wait() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next
}

// After each write that is queued a wake-up comes, while several write, one of them in
// pieces, the peer reads now and then and has the connection take turns, and until it
// ends.
func TestWhenDrainedIsNeverLost(t *testing.T) {
	answering := func(p *peer) {
		p.onData = func(data []byte) int {
			p.c.Write(data, nil) // may be refused
			return len(data)
		}
	}
	plainAndTLS(t, Options{MaxPending: 256 << 10}, answering, func(t *testing.T, s *server, _ net.Conn, p *peer) {
		secured := p.c.TLS() != nil
		var wg sync.WaitGroup
		for i := range 4 {
			var nc net.Conn
			if secured {
				nc = dialTLS(t, s.addr, tls.VersionTLS13, nil)
			} else {
				nc = dial(t, s.addr)
			}
			p := receive(t, "OnOpen", s.new)
			wg.Go(func() { waitOften(t, s, p, i) })
			wg.Go(func() { readNowAndThen(nc, uint64(i)) })
		}
		wg.Wait()
	})
}

// waitOften writes with several goroutines, each of which waits after what is queued,
// and ends the connection; every other time while they wait.
func waitOften(t *testing.T, s *server, p *peer, i int) {
	const writers = 3
	waits := 60
	if p.c.TLS() != nil { // the race detector makes it slow
		waits = 10
	}
	w := &wakeups{next: make(chan struct{})}
	told := Scheduler(w)
	if i&1 != 0 {
		told = s.NewTask(i, w.Schedule)
	}
	var wg sync.WaitGroup
	var waited atomic.Int32
	for n := range writers {
		wg.Go(func() {
			data := make([]byte, 1000+20_000*n)
			for range waits {
				o := p.c.Write(nil, data)
				for o == Sent {
					o = p.c.Write(nil, data)
				}
				next := w.wait()
				p.c.WhenDrained(told)
				receive(t, "the wake-up", next)
				waited.Add(1)
			}
		})
	}
	wg.Go(func() {
		for range waits {
			x, err := p.c.Reserve()
			if err != nil {
				return
			}
			_ = x.Write(nil, make([]byte, 50_000), waitLimit)
			x.Release()
		}
	})
	if i&2 != 0 {
		eventually(t, "some waits", func() bool { return waited.Load() > int32(waits) })
		p.c.WriteLast([]byte("bye"), nil)
	}
	wg.Wait()
	p.c.Close(nil)
}

// readNowAndThen reads to the end, in pieces of all sizes, and writes a little.
func readNowAndThen(nc net.Conn, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	buf := make([]byte, 200<<10)
	for {
		if rnd.IntN(4) == 0 {
			if _, err := nc.Write(buf[:1+rnd.IntN(100)]); err != nil {
				return
			}
		}
		if _, err := io.ReadAtLeast(nc, buf, 1+rnd.IntN(len(buf)-1)); err != nil {
			return
		}
	}
}
