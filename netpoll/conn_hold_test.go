//go:build linux

package netpoll

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// A handler that holds leaves over what it likes, sees it again, and loses nothing;
// nothing is read meanwhile.
func TestHoldReading(t *testing.T) {
	const size, buffer = 8 << 20, 16 << 10
	var got bytes.Buffer
	held := make(chan int, 1)
	s := serve(t, Options{ReadBuffer: buffer}, func(p *peer) {
		calls := 0
		p.onData = func(data []byte) int {
			calls++
			n := []int{0, len(data), len(data) / 2, 1}[calls%4]
			got.Write(data[:n])
			p.c.Hold()
			held <- got.Len()
			return n
		}
	})
	nc, p := s.connect(t)
	all := make([]byte, size)
	pattern(all, 0)
	go nc.Write(all)
	for total := 0; total < size; {
		total = receive(t, "OnData", held)
		if !p.c.Held() {
			t.Fatal("not held")
		}
		if in := s.Stats().BytesIn; in > int64(total+buffer) {
			t.Fatalf("%d bytes were read for %d", in, total)
		}
		p.c.Resume()
	}
	if !bytes.Equal(got.Bytes(), all) {
		t.Error("the handler got something else than was sent")
	}
	// The end is noticed too, if not before Resume.
	turnOver(t, p)
	nc.Close()
	if err := receive(t, "OnClose", p.closed); err != io.EOF {
		t.Error(err)
	}
}

// Resume may come before OnData has returned what it held for.
func TestHoldResumeWithin(t *testing.T) {
	const size = 4096
	calls := 0
	done := make(chan int, 1)
	s := serve(t, Options{ReadBuffer: size}, func(p *peer) {
		p.onData = func(data []byte) int {
			if calls++; calls < 100 {
				p.c.Hold()
				p.c.Resume()
				return 0 // all of a full buffer, perhaps
			}
			if len(data) == size {
				calls = 0
				select {
				case done <- len(data):
				default:
				}
			}
			return len(data)
		}
	})
	nc, _ := s.connect(t)
	write(t, nc, make([]byte, size))
	write(t, nc, make([]byte, 2*size))
	receive(t, "a full buffer", done)
}

// What is written in pieces is not mixed with what others write, but for what is
// urgent, and they come after it in order.
func TestExclusive(t *testing.T) {
	s := serve(t, Options{MaxPending: 1000}, func(p *peer) {
		p.onData = func(data []byte) int { // in a turn, too
			x := must[*Exclusive](t)(p.c.Reserve())
			p.c.Write(nil, []byte("last"))
			p.c.WriteUrgent(nil, []byte("urgent"))
			if err := x.Write([]byte("1"), []byte("2"), waitLimit); err != nil {
				t.Error(err)
			}
			x.Release()
			return len(data)
		}
	})
	nc, p := s.connect(t)
	turnOver(t, p) // of OnOpen
	x := must[*Exclusive](t)(p.c.Reserve())
	if _, err := p.c.Reserve(); err != ErrReserved {
		t.Errorf("reserved twice: %v", err)
	}
	shared := NewBuffer([]byte("shared"))
	for range 2 {
		if o := p.c.Write([]byte("co"), []byte("pied")); o != Queued {
			t.Error(o)
		}
		if o := p.c.WriteBuffer(shared); o != Queued {
			t.Error(o)
		}
	}
	if o := p.c.Write(nil, make([]byte, 1000-24+1)); o != Full {
		t.Error(o)
	}
	if n := p.c.Pending(); n != 24 || s.Stats().Queued != 24 {
		t.Errorf("%d bytes are pending, %d queued", n, s.Stats().Queued)
	}
	for range 2 {
		if err := x.Write([]byte("head"), []byte("body"), waitLimit); err != nil {
			t.Error(err)
		}
		if o := p.c.WriteUrgent([]byte("u"), nil); o != Sent {
			t.Error(o)
		}
	}
	x.Release()
	x.Release()
	expect(t, nc, "headbodyuheadbodyucopiedsharedcopiedshared")
	if err := x.Write(nil, []byte("x"), waitLimit); err != ErrClosed {
		t.Errorf("after Release: %v", err)
	}
	write(t, nc, []byte("x"))
	expect(t, nc, "urgent12last")
	eventually(t, "nothing is queued", func() bool { return s.Stats().Queued == 0 })
}

// Write waits for the peer, without a copy, and no longer than it is told.
func TestExclusiveWaits(t *testing.T) {
	const size = 32 << 20
	s := serve(t, Options{MaxPending: 2 * size}, func(*peer) {})
	nc, p := s.connect(t)
	data := make([]byte, size)
	pattern(data, 0)
	x := must[*Exclusive](t)(p.c.Reserve())
	written := make(chan error, 1)
	go func() { written <- x.Write(data[:3], data[3:], waitLimit) }()
	eventually(t, "the kernel is full", func() bool { return p.c.Pending() > 0 })
	p.c.Write(nil, []byte("behind"))
	got, want := make([]byte, 64<<10), make([]byte, 64<<10)
	for off := 0; off < size; off += len(got) {
		pattern(want, off)
		expectChunk(t, nc, got, want, off)
	}
	if err := receive(t, "Write", written); err != nil {
		t.Fatal(err)
	}
	x.Release()
	expect(t, nc, "behind")

	x = must[*Exclusive](t)(p.c.Reserve())
	p.c.Write(nil, []byte("lost"))
	if err := x.Write(nil, data, 5*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	clear(data) // it is not looked at any more
	pattern(want, 0)
	expectChunk(t, nc, got, want, 0)
	go func() { written <- x.Write(nil, data, waitLimit) }()
	p.c.Close(nil)
	if err := receive(t, "Write", written); err != ErrClosed {
		t.Errorf("after Close: %v", err)
	}
	x.Release()
	receive(t, "OnClose", p.closed)
	if _, err := p.c.Reserve(); err != ErrClosed {
		t.Error(err)
	}
}

// WriteLast ends the right.
func TestExclusiveLast(t *testing.T) {
	s := serve(t, Options{}, func(*peer) {})
	nc, p := s.connect(t)
	x := must[*Exclusive](t)(p.c.Reserve())
	p.c.Write(nil, []byte("lost"))
	if err := x.Write(nil, []byte("half"), waitLimit); err != nil {
		t.Fatal(err)
	}
	p.c.WriteLast([]byte("bye"), nil)
	if err := x.Write(nil, []byte("x"), waitLimit); err != ErrClosed {
		t.Error(err)
	}
	x.Release()
	if o := p.c.WriteUrgent(nil, []byte("x")); o != Closed || s.Stats().Queued != 0 {
		t.Errorf("%v, %d bytes queued", o, s.Stats().Queued)
	}
	p.c.Finish(nil, waitLimit)
	expect(t, nc, "halfbye")
	expectEnd(t, nc)
}

// What others write to a connection whose handler blocks leaves when the peer takes it.
func TestPendingOfBlockedHandler(t *testing.T) {
	const size = 24 << 20
	g := newGate(t)
	s := serve(t, Options{MaxPending: size}, func(p *peer) {
		p.onData = func(data []byte) int { g.wait(); return len(data) }
	})
	nc, p := s.connect(t)
	write(t, nc, []byte("x"))
	eventually(t, "the handler runs", func() bool { return p.inside.Load() == 1 })
	p.c.WriteBuffer(NewBuffer(make([]byte, size)))
	if p.c.Pending() == 0 {
		t.Fatal("the kernel took all of it")
	}
	expect(t, nc, string(make([]byte, size)))
	g.open()
}

// No address has all places, and addresses that wait take turns.
func TestGoForIsShared(t *testing.T) {
	const most = 8
	e := newEngine(t, Options{Background: most})
	greedy, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	ends, begun := make(chan struct{}), make(chan netip.Addr, 4*most)
	run := func(owner netip.Addr) *Job {
		return e.GoFor(owner, func() { begun <- owner; <-ends })
	}
	var jobs []*Job
	for range 3 * most {
		jobs = append(jobs, run(greedy))
	}
	if st := e.Stats(); st.Background != most*3/4 || st.BackgroundWaiting != 3*most-most*3/4 {
		t.Fatalf("%+v", st)
	}
	if !run(other).Begun() {
		t.Error("one address keeps another out")
	}
	if run(other).Begun() {
		t.Error("the last place went to an address that has one")
	}
	if !e.Go(func() { begun <- netip.Addr{}; <-ends }) {
		t.Error("the program's own has no place")
	}
	for range most {
		receive(t, "a beginning", begun)
	}
	ends <- struct{}{} // whose it is does not matter: there is one place, and it is nobody's last
	ends <- struct{}{}
	receive(t, "a beginning", begun)
	for _, j := range jobs {
		j.Cancel()
	}
	if st := e.Stats(); st.BackgroundWaiting > 1 {
		t.Errorf("after Cancel: %+v", st)
	}
	close(ends)
	eventually(t, "nothing is left", func() bool {
		e.background.mu.Lock()
		defer e.background.mu.Unlock()
		return e.background.running == 0 && e.background.waiting == 0 && len(e.background.users) == 0 && e.background.order.Len() == 0
	})
}

// Go bounds what runs, runs all in order, survives panics, and is waited for.
func TestGo(t *testing.T) {
	e := newEngine(t, Options{Background: 2})
	var running, ran atomic.Int32
	g := newGate(t)
	for i := range 50 {
		begun := e.Go(func() {
			if n := running.Add(1); n > 2 {
				t.Errorf("%d run", n)
			}
			g.wait()
			running.Add(-1)
			ran.Add(1)
			if i%5 == 0 {
				panic("on purpose")
			}
		})
		if begun != (i < 2) {
			t.Errorf("number %d begins at once: %v", i, begun)
		}
	}
	eventually(t, "two run", func() bool { return running.Load() == 2 })
	g.open()
	eventually(t, "all ran", func() bool { return ran.Load() == 50 && e.background.count() == 0 })
}
