//go:build linux

package netpoll

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/internal/clock"
)

// pendingPeer returns a peer for which more is pending than the kernel takes, and the
// client that is to read it.
func pendingPeer(t *testing.T, o Options) (*peer, net.Conn) {
	t.Helper()
	s := serve(t, o, func(*peer) {})
	p, nc := blockedPeer(t, s)
	if o := p.c.Write(nil, make([]byte, 1<<20)); o != Queued {
		t.Fatal(o)
	}
	return p, nc
}

// later looks at p as the monitor does when another UserTimeout is over.
func (p *peer) later(t *testing.T) {
	t.Helper()
	since := p.drainSince()
	if since == 0 { // not seen by the monitor yet
		p.c.checkDrain(p.c.loop.engine.clock.Read())
		if since = p.drainSince(); since == 0 {
			t.Fatal("nothing is pending")
		}
	}
	p.c.checkDrain(clock.Tick(clock.Tick(since).After(p.c.loop.engine.opts.UserTimeout)))
}

func (p *peer) drainSince() uint32 {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if o := p.c.queueLocked(); o != nil {
		return o.drain.since
	}
	return 0
}

// A peer that takes a little now and then is not served for ever.
func TestSlowPeerIsClosed(t *testing.T) {
	p, nc := pendingPeer(t, Options{UserTimeout: time.Hour})
	if _, err := io.ReadFull(nc, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	p.later(t)
	if err := receive(t, "OnClose", p.closed); err != ErrSlow {
		t.Errorf("closed with %v, want ErrSlow", err)
	}
	if s := p.c.loop.engine.Stats(); s.Slow != 1 || s.Held != 0 {
		t.Errorf("%+v", s)
	}
}

// One that takes enough is, and so is one that nothing bounds.
func TestSteadyPeerStays(t *testing.T) {
	p, nc := pendingPeer(t, Options{UserTimeout: time.Hour, MinDrain: 10})
	p.c.checkDrain(p.c.loop.engine.clock.Read())
	if _, err := io.ReadFull(nc, make([]byte, 256<<10)); err != nil {
		t.Fatal(err)
	}
	p.later(t)
	p.wantOpen(t)
	p.later(t) // but not if it stops
	if err := receive(t, "OnClose", p.closed); err != ErrSlow {
		t.Errorf("closed with %v, want ErrSlow", err)
	}

	p, _ = pendingPeer(t, Options{UserTimeout: time.Second, Sweep: time.Millisecond, MinDrain: -1})
	m := p.c.loop.engine.monitor
	m.sweepSlow(p.c.loop.engine.clock.Read())
	p.wantOpen(t)
}
