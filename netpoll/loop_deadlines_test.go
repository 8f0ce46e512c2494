//go:build linux

package netpoll

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/internal/clock"
)

// sweptLoop is a loop whose connections have deadlines and no sockets.
type sweptLoop struct {
	*testing.T
	m     *monitor
	l     *loop
	now   time.Time
	conns []*Conn
}

func newSweptLoop(t *testing.T, n int) *sweptLoop {
	s := &sweptLoop{T: t, now: time.Unix(1e9, 0)}
	e := &Engine{opts: Options{Sweep: time.Second, Loops: 1}}
	e.clock.Begin(func() time.Time { return s.now })
	s.l = &loop{engine: e}
	e.loops, e.monitor = []*loop{s.l}, newMonitor(e)
	s.m = e.monitor
	for range n {
		c := &Conn{loop: s.l, phase: live}
		c.state.Store(scheduled) // so that an event queues nothing
		s.l.table.add(c, 0)
		s.conns = append(s.conns, c)
	}
	e.admission.open.Store(int64(n))
	return s
}

// sweep lets a time pass, and returns which connections have been told that their deadline may have passed.
func (s *sweptLoop) sweep(d time.Duration) (told map[*Conn]bool) {
	s.now = s.now.Add(d)
	s.m.sweep(s.m.engine.clock.Update())
	told = make(map[*Conn]bool)
	for _, c := range s.conns {
		if c.state.Swap(scheduled)&evTimer != 0 {
			told[c] = true
		}
	}
	return told
}

func (s *sweptLoop) listed() (n int) {
	n = len(s.l.deadlines.fresh)
	for _, list := range s.l.deadlines.due {
		n += len(list)
	}
	return n
}

// The first sweep after a deadline finds it, however often it is moved, and no list grows.
func TestDeadlinesAreFound(t *testing.T) {
	const n = 300
	s := newSweptLoop(t, n)
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 3000 {
		for range rnd.IntN(2 * n) {
			c := s.conns[rnd.IntN(n)]
			c.SetDeadline(time.Duration(rnd.IntN(8)*rnd.IntN(1500)) * time.Millisecond) // 0 is none
		}
		c := s.conns[rnd.IntN(n)]
		c.HastenDeadline(time.Duration(1+rnd.IntN(5000)) * time.Millisecond)
		pause := time.Second + time.Duration(rnd.IntN(100))*time.Millisecond
		if rnd.IntN(100) == 0 {
			pause = time.Hour // the machine has slept
		}
		told := s.sweep(pause)
		now := clock.Tick(s.m.engine.clock.Coarse.Load())
		for i, c := range s.conns {
			at := c.expires.Load()
			if passed := at != 0 && now.Reached(at); passed && !told[c] {
				t.Fatalf("connection %d has not been told", i)
			} else if passed && rnd.IntN(4) > 0 {
				c.expired() // otherwise its turn comes later
			}
		}
		if k := s.listed(); k > 6*n {
			t.Fatalf("%d entries for %d connections", k, n)
		}
	}
}

// A connection whose deadline is far is in no list, and one that sets a near one again and again not in many.
func TestDeadlinesListed(t *testing.T) {
	s := newSweptLoop(t, 100)
	for _, c := range s.conns {
		c.SetDeadline(20 * time.Second)
	}
	if s.sweep(time.Second); s.listed() != 0 {
		t.Errorf("%d connections are listed whose deadline is far", s.listed())
	}
	for range 10_000 {
		s.conns[0].SetDeadline(0)
		s.conns[0].SetDeadline(time.Second)
	}
	if n := s.listed(); n > 200 {
		t.Errorf("one connection is listed %d times", n)
	}
	s.sweep(time.Second)
	if told := s.sweep(time.Second); !told[s.conns[0]] || len(told) != 1 {
		t.Errorf("%d have been told", len(told))
	}
}
