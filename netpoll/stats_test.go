//go:build linux

package netpoll

import (
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/histogram"
)

// The counters say what happened; those of writes that wait and of refusals are
// tested where these are.
func TestStats(t *testing.T) {
	const conns, rounds, size = 7, 11, 1000
	s := serve(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.c.CountIn(1)
			p.c.CountOut(2)
			return p.echo(data)
		}
	})
	none := s.Stats()
	none.LoopLag = histogram.Snapshot{} // which is measured from time to time
	if none != (Stats{Workers: 1024}) {
		t.Errorf("before the first connection: %+v", none)
	}
	data, buf := make([]byte, size), make([]byte, size)
	for i := range conns {
		nc := dial(t, s.addr)
		for range rounds {
			write(t, nc, data[:1])
			expect(t, nc, string(data[:1]))
		}
		if err := roundTrip(nc, data[1:], buf); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			nc.Close()
		}
	}
	eventually(t, "one is closed, and all is quiet", func() bool {
		st := s.Stats()
		return st.Open == conns-1 && st.Drainers == 0
	})
	st := s.Stats()
	const bytes = conns * (rounds + size - 1)
	if st.Accepted != conns || st.BytesIn != bytes || st.BytesOut != bytes || st.Queued != 0 || st.Ready != 0 || st.Refused != 0 {
		t.Errorf("%+v; want %d accepted and %d bytes", st, conns, bytes)
	}
	if st.MessagesIn < conns*(rounds+1) || st.MessagesOut != 2*st.MessagesIn {
		t.Errorf("%d messages in, %d out", st.MessagesIn, st.MessagesOut)
	}
}

// The wait of the first in the queue begins when it was put there, also if the
// engine slept before.
func TestLongestWaitAfterSleep(t *testing.T) {
	b := newBlocking(t)
	s := serve(t, Options{Loops: 1, Workers: 1, Sweep: time.Hour}, b.setup)
	clients, buf := dialAll(t, s, 2), make([]byte, 16)
	for _, nc := range clients {
		if err := roundTrip(nc, []byte("hello"), buf); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the monitor sleeps", func() bool { return !s.monitor.armed.Load() })
	s.clock.Coarse.Store(uint32(s.clock.Read()) - uint32(time.Hour/time.Millisecond)) // for an hour
	write(t, clients[0], []byte("block"))
	eventually(t, "the worker blocks", func() bool { return b.entered.Load() == 1 })
	write(t, clients[1], []byte("block"))
	eventually(t, "the other waits", func() bool { return s.Stats().Ready == 1 })
	if w := s.Stats().LongestWait; w > waitLimit {
		t.Errorf("a wait of %v, though it has just begun", w)
	}
	eventually(t, "the wait grows", func() bool { return s.Stats().LongestWait > 10*time.Millisecond })
	b.gate.open()
	for _, nc := range clients {
		expect(t, nc, "block")
	}
}

// The wait for a worker and the lag of each loop are measured, that of a loop once for each event.
func TestDistributions(t *testing.T) {
	s := serveStepped(t, Options{Loops: 2}, echoing)
	buf := make([]byte, 16)
	for range 2 {
		nc := dial(t, s.addr)
		for range 100 {
			if err := roundTrip(nc, []byte("hello"), buf); err != nil {
				t.Fatal(err)
			}
		}
	}
	if st := s.Stats(); st.ReadyWait.Count() < 4 || st.ReadyWait.Sum <= 0 {
		t.Errorf("waits: %+v", st.ReadyWait)
	}
	s.monitor.probe()
	eventually(t, "both loops have looked", func() bool { return s.Stats().LoopLag.Count() == 2 })
	if lag := s.Stats().LoopLag; lag.Sum <= 0 || lag.Sum > waitLimit {
		t.Errorf("a lag of %v", lag.Sum)
	}
	l := s.loops[0]
	l.lag.raised.Store(1) // it has yet to look at the last event
	s.monitor.probe()
	eventually(t, "the other has looked", func() bool { return s.Stats().LoopLag.Count() == 3 })
	if !l.lag.raised.CompareAndSwap(1, 0) {
		t.Error("an event was raised before the loop has looked at the last one")
	}
}
