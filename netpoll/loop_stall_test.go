//go:build linux

package netpoll

import (
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// blocking is a handler's OnData that blocks on "block", and echoes.
type blocking struct {
	entered atomic.Int32 // handlers that block, or have
	gate    *gate
}

func newBlocking(t testing.TB) *blocking { return &blocking{gate: newGate(t)} }

func (b *blocking) setup(p *peer) {
	p.onData = func(data []byte) int {
		if string(data) == "block" {
			b.entered.Add(1)
			b.gate.wait()
		}
		return p.echo(data)
	}
}

// 200 handlers that block hold up nobody else: with each look of the monitor four times
// as many connections get a worker, and a connection that waits alone needs one look.
func TestBlockedHandlers(t *testing.T) {
	const blocked = 200
	b := newBlocking(t)
	s := serveStepped(t, Options{Loops: 1}, b.setup)
	clients, other := dialAll(t, s, blocked), dial(t, s.addr)
	buf := make([]byte, 16)
	if err := roundTrip(other, []byte("hello"), buf); err != nil {
		t.Fatal(err)
	}
	for _, nc := range clients {
		write(t, nc, []byte("block"))
	}
	// Five would do if all waited from the beginning; but the loop is held, and fills
	// the queue later.
	const mostLooks = 20
	for looks := 0; b.settled(t, s, blocked) < blocked; looks++ {
		if looks == mostLooks {
			t.Fatalf("%d of %d connections have workers after %d looks", b.entered.Load(), blocked, looks)
		}
		s.monitor.look()
	}
	for range 5 {
		write(t, other, []byte("hello"))
		eventually(t, "it waits for a worker", func() bool { return s.Stats().Ready == 1 })
		s.monitor.look()
		expect(t, other, "hello")
		eventually(t, "its worker has left", func() bool { return s.Stats().Drainers == blocked })
	}
	b.gate.open()
	for _, nc := range clients {
		expect(t, nc, "block")
	}
	eventually(t, "the drainers are gone", func() bool { return s.Stats().Drainers == 0 })
}

// settled waits until nothing happens before the monitor's next look: each drainer is in a
// handler that blocks, and all of want connections are, or wait, or the loop is held. It
// returns the number of handlers that block.
func (b *blocking) settled(t *testing.T, s *server, want int) (entered int) {
	t.Helper()
	r := &s.loops[0].ready
	eventually(t, "nothing moves", func() bool {
		st := r.State(0)
		entered = int(b.entered.Load())
		return st.Drainers == entered && (st.Held || entered+st.Waiting == want)
	})
	return entered
}

// When all workers block, the rest waits, unread, and is served afterwards.
func TestMoreBlockedHandlersThanWorkers(t *testing.T) {
	const workers, blocked = 4, 30
	b := newBlocking(t)
	s := serve(t, Options{Workers: workers}, b.setup)
	clients := dialAll(t, s, blocked)
	for _, nc := range clients {
		write(t, nc, []byte("block"))
	}
	eventually(t, "all workers block, and the others wait", func() bool {
		return b.entered.Load() == workers && s.Stats().Ready == blocked-workers
	})
	eventually(t, "the wait is counted", func() bool { return s.Stats().LongestWait > 20*time.Millisecond })
	if s := s.Stats(); b.entered.Load() != workers || s.Drainers > workers {
		t.Errorf("%d handlers run in %d drainers with %d workers", b.entered.Load(), s.Drainers, workers)
	}
	b.gate.open()
	for _, nc := range clients {
		expect(t, nc, "block")
	}
	if n := b.entered.Load(); n != blocked {
		t.Errorf("%d handlers were called, want %d", n, blocked)
	}
	eventually(t, "nobody waits", func() bool { s := s.Stats(); return s.Ready == 0 && s.LongestWait == 0 && s.Drainers == 0 })
}

func dialAll(t testing.TB, s *server, n int) (clients []*net.TCPConn) {
	t.Helper()
	for range n {
		clients = append(clients, dial(t, s.addr))
	}
	return clients
}
