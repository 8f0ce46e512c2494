//go:build linux

package netpoll

import (
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// blockers connects n clients whose handlers block until the gate opens, and
// counts those that do.
func blockers(t *testing.T, opts Options, n int) (s *server, clients []*net.TCPConn, entered *atomic.Int32, g *gate) {
	entered, g = new(atomic.Int32), newGate(t)
	s = serve(t, opts, func(p *peer) {
		p.onData = func(data []byte) int {
			if string(data) == "block" {
				entered.Add(1)
				g.wait()
			}
			return p.echo(data)
		}
	})
	for range n {
		clients = append(clients, dial(t, s.addr))
	}
	return s, clients, entered, g
}

// 200 handlers that block hold up nobody else.
func TestBlockedHandlers(t *testing.T) {
	const blocked, limit = 200, 20 * time.Millisecond
	// The machine may have other work just now, which no engine can help: not the worst
	// counts, and there is another try. Handlers that held others up would do so each time.
	var took []time.Duration
	for range 5 {
		took = besideBlocked(t, blocked)
		slices.Sort(took)
		if took[len(took)*3/4] <= limit {
			return
		}
	}
	t.Errorf("an echo beside %d blocked handlers took %v, five times", blocked, took)
}

// besideBlocked returns how long echoes take while so many handlers block, or begin to.
func besideBlocked(t *testing.T, blocked int) (took []time.Duration) {
	t.Helper()
	const rounds = 15
	s, clients, entered, g := blockers(t, Options{}, blocked)
	other := dial(t, s.addr)
	buf := make([]byte, 16)
	if err := roundTrip(other, []byte("hello"), buf); err != nil {
		t.Fatal(err)
	}
	for i, nc := range clients {
		write(t, nc, []byte("block"))
		if i%20 == 0 { // while they pile up, too
			took = append(took, timeRoundTrip(t, other, buf))
		}
	}
	eventually(t, "all block", func() bool { return entered.Load() == int32(blocked) })
	for range rounds {
		took = append(took, timeRoundTrip(t, other, buf))
	}
	g.open()
	for _, nc := range clients {
		expect(t, nc, "block")
	}
	eventually(t, "the drainers are gone", func() bool { return s.Stats().Drainers == 0 })
	return took
}

func timeRoundTrip(t *testing.T, nc net.Conn, buf []byte) time.Duration {
	t.Helper()
	begin := time.Now()
	if err := roundTrip(nc, []byte("hello"), buf); err != nil {
		t.Fatal(err)
	}
	return time.Since(begin)
}

// When all workers block, the rest waits, unread, and is served afterwards.
func TestMoreBlockedHandlersThanWorkers(t *testing.T) {
	const workers, blocked = 4, 30
	s, clients, entered, g := blockers(t, Options{Workers: workers}, blocked)
	for _, nc := range clients {
		write(t, nc, []byte("block"))
	}
	eventually(t, "all workers block, and the others wait", func() bool {
		return entered.Load() == workers && s.Stats().Ready == blocked-workers
	})
	eventually(t, "the wait is counted", func() bool { return s.Stats().LongestWait > 20*time.Millisecond })
	if s := s.Stats(); entered.Load() != workers || s.Drainers > workers {
		t.Errorf("%d handlers run in %d drainers with %d workers", entered.Load(), s.Drainers, workers)
	}
	g.open()
	for _, nc := range clients {
		expect(t, nc, "block")
	}
	if n := entered.Load(); n != blocked {
		t.Errorf("%d handlers were called, want %d", n, blocked)
	}
	eventually(t, "nobody waits", func() bool { s := s.Stats(); return s.Ready == 0 && s.LongestWait == 0 && s.Drainers == 0 })
}
