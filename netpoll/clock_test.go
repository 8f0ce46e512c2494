//go:build linux

package netpoll

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// testClock is a clock that only the test moves.
type testClock struct {
	start time.Time
	ahead atomic.Int64
}

func newTestClock() *testClock { return &testClock{start: time.Now()} }

func (k *testClock) now() time.Time          { return k.start.Add(time.Duration(k.ahead.Load())) }
func (k *testClock) advance(d time.Duration) { k.ahead.Add(int64(d)) }

// A deadline follows Options.Now: it does not pass before that says so, however often the monitor looks.
func TestDeadlineOnTestClock(t *testing.T) {
	clk := newTestClock()
	called := make(chan struct{}, 1)
	s := serve(t, Options{Now: clk.now, Sweep: time.Millisecond}, func(p *peer) {
		p.onDeadline = func() { called <- struct{}{} }
	})
	_, p := s.connect(t)
	p.c.SetDeadline(time.Hour)
	clk.advance(time.Hour - time.Second)
	swept := newPeer(t) // its deadline passes at a sweep that has seen the other one, too
	swept.onDeadline = func() { called <- struct{}{} }
	pair(t, s.Engine, swept)
	swept.c.SetDeadline(time.Millisecond)
	clk.advance(time.Millisecond)
	receive(t, "the deadline that has passed", called)
	if d := p.c.IdleFor(); d < time.Hour-2*time.Second || len(called) != 0 {
		t.Errorf("idle for %v, %d deadlines too early", d, len(called))
	}
	clk.advance(time.Second)
	receive(t, "the deadline after an hour", called)
	swept.c.Close(nil)
}

// So does the time for TLS handshakes that have not begun, and for slow peers.
func TestLimitsOnTestClock(t *testing.T) {
	clk := newTestClock()
	s := serveTLS(t, Options{Now: clk.now, Sweep: time.Millisecond, TLSTimeout: time.Hour}, echoing)
	nc := dial(t, s.addr)
	eventually(t, "it is open", func() bool { return s.Stats().Open == 1 })
	clk.advance(time.Hour)
	eventually(t, "its time is over", func() bool {
		clk.advance(time.Second) // the deadline may be set after the hour
		return s.Stats().Open == 0
	})
	expectEnd(t, nc)
	eventually(t, "it is counted", func() bool {
		st := s.Stats()
		return st.TLSHandshakesTimedOut == 1 && st.TLSHandshakesFailed == 1 && st.TLSHandshakesShed == 0
	})

	p, _ := pendingPeer(t, Options{Now: clk.now, Sweep: time.Millisecond, UserTimeout: time.Hour})
	eventually(t, "the monitor has measured", func() bool {
		clk.advance(time.Minute)
		return p.drainSince() != 0
	})
	clk.advance(2 * time.Hour)
	if err := receive(t, "OnClose", p.closed); err != ErrSlow {
		t.Error(err)
	}
}

// When the wall clock is set, all times go on: each that is kept, also in a connection between two engines, has a
// monotonic reading, or counts from one.
func TestTimesAreMonotonic(t *testing.T) {
	s := serve(t, Options{}, echoing)
	monotonic := func(name string, at time.Time) {
		t.Helper()
		if !strings.Contains(at.String(), " m=") {
			t.Errorf("%s is %v, which follows the wall clock", name, at)
		}
	}
	monotonic("the engine's time", s.clock.Now())
	_, p := s.connect(t)
	p.c.SetDeadline(time.Hour)
	p.detached = true
	left := make(chan *State, 1)
	p.c.Leave(func(st *State, err error) {
		if err != nil {
			t.Error(err)
		}
		left <- st
	})
	st := receive(t, "Leave", left)
	monotonic("the deadline", st.deadline)
	monotonic("the last sign of life", st.active)
	st.Close()
	g := new(preTLS)
	g.init(s.Engine, &s.serverHandshakes)
	monotonic("the end of a handshake", g.until)
}
