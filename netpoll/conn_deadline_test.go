//go:build linux

package netpoll

import (
	"testing"
	"time"
)

const quickSweep = 2 * time.Millisecond

// A deadline is called once, not too early, and can be set anew from within.
func TestDeadline(t *testing.T) {
	const d = 15 * time.Millisecond
	called := make(chan time.Duration, 100)
	s := serve(t, Options{Sweep: quickSweep}, func(p *peer) {
		var set time.Time
		arm := func() {
			set = time.Now()
			p.c.SetDeadline(d)
		}
		p.onOpen = arm
		n := 0
		p.onDeadline = func() {
			called <- time.Since(set)
			if n++; n < 3 {
				arm()
			}
		}
	})
	_, p := s.connect(t)
	for range 3 {
		if took := receive(t, "OnDeadline", called); took < d-time.Millisecond { // the clock counts whole ms
			t.Errorf("called after %v, want %v", took, d)
		}
	}
	waitSweeps(t, s.Engine, 5)
	if len(called) != 0 {
		t.Error("a deadline was called twice")
	}
	if at := p.c.expires.Load(); at != 0 {
		t.Errorf("the deadline %d stays after it was called", at)
	}
}

// waitSweeps returns after at least n more sweeps have been seen to work.
func waitSweeps(t *testing.T, e *Engine, n int) {
	t.Helper()
	marks := make(chan struct{}, n)
	p := newPeer(t)
	left := n
	p.onOpen = func() { p.c.SetDeadline(time.Millisecond) }
	p.onDeadline = func() {
		marks <- struct{}{}
		if left--; left > 0 {
			p.c.SetDeadline(time.Millisecond)
		}
	}
	nc := pair(t, e, p)
	for range n {
		receive(t, "a sweep", marks)
	}
	nc.Close()
	receive(t, "OnClose", p.closed)
}

// A deadline that is cleared or moved is not called, not even if it was over and
// the call was under way.
func TestDeadlineMovedInTime(t *testing.T) {
	for _, test := range []struct {
		name string
		move time.Duration
	}{{"cleared", 0}, {"moved", time.Hour}} {
		t.Run(test.name, func(t *testing.T) {
			entered, release := make(chan struct{}, 1), newGate(t)
			s := serve(t, Options{Sweep: quickSweep}, func(p *peer) {
				p.onOpen = func() { p.c.SetDeadline(time.Millisecond) }
				p.onData = func(data []byte) int {
					if string(data) == "move" {
						entered <- struct{}{}
						release.wait()
						p.c.SetDeadline(test.move)
						p.onDeadline = func() { t.Error("a deadline that is no more was called") }
					}
					return p.echo(data)
				}
				p.onDeadline = func() { p.c.SetDeadline(3 * time.Millisecond) }
			})
			nc, p := s.connect(t)
			write(t, nc, []byte("move"))
			receive(t, "OnData", entered)
			eventually(t, "the deadline is over", func() bool { return p.c.state.Load()&evTimer != 0 })
			release.open()
			expect(t, nc, "move")
			write(t, nc, []byte("next"))
			expect(t, nc, "next")
			waitSweeps(t, s.Engine, 5)
		})
	}
}

// A deadline of the handler that was over just before Finish does not cut the
// waitLimit short.
func TestFinishAfterDeadline(t *testing.T) {
	entered, release := make(chan struct{}, 1), newGate(t)
	s := serve(t, Options{Sweep: quickSweep}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.c.SetDeadline(time.Millisecond)
			entered <- struct{}{}
			release.wait()
			p.c.Finish(errTest, waitLimit)
			return len(data)
		}
	})
	nc, p := s.connect(t)
	write(t, nc, []byte("x"))
	receive(t, "OnData", entered)
	eventually(t, "the deadline is over", func() bool { return p.c.state.Load()&evTimer != 0 })
	release.open()
	expectEnd(t, nc)
	waitSweeps(t, s.Engine, 5)
	if n := p.closes.Load(); n != 0 {
		t.Error("closed before the waitLimit was over")
	}
	nc.Close()
	receive(t, "OnClose", p.closed)
}

func TestIdleFor(t *testing.T) {
	s := serve(t, Options{Sweep: quickSweep}, echoing)
	nc, p := s.connect(t)
	write(t, nc, []byte("x"))
	expect(t, nc, "x")
	if d := p.c.IdleFor(); d > 5*time.Second {
		t.Errorf("idle for %v just after a message", d)
	}
	eventually(t, "it is idle for 20 ms", func() bool { return p.c.IdleFor() > 20*time.Millisecond })
}
