//go:build linux

package netpoll

import (
	"io"
	"net"
	"testing"
	"time"
)

// pendingPeer returns a peer for which more is pending than the kernel takes, and the
// client that is to read it.
func pendingPeer(t *testing.T, o Options) (*peer, net.Conn) {
	t.Helper()
	s := serve(t, o, func(*peer) {})
	nc, p := s.connect(t)
	p.block(t)
	if o := p.c.Write(nil, make([]byte, 1<<20)); o != Queued {
		t.Fatal(o)
	}
	return p, nc
}

// later looks at p as the monitor does when another UserTimeout is over.
func (p *peer) later() {
	p.c.mu.Lock()
	if p.c.out.drain.since == 0 { // not seen by the monitor yet
		p.c.mu.Unlock()
		p.c.checkDrain(p.c.loop.engine.clock.read())
		p.c.mu.Lock()
	}
	at := tick(p.c.out.drain.since).after(p.c.loop.engine.opts.UserTimeout)
	p.c.mu.Unlock()
	p.c.checkDrain(tick(at))
}

// A peer that takes a little now and then is not served for ever.
func TestSlowPeerIsClosed(t *testing.T) {
	p, nc := pendingPeer(t, Options{UserTimeout: time.Hour})
	if _, err := io.ReadFull(nc, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	p.later()
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
	p.c.checkDrain(p.c.loop.engine.clock.read())
	if _, err := io.ReadFull(nc, make([]byte, 256<<10)); err != nil {
		t.Fatal(err)
	}
	p.later()
	p.wantOpen(t)
	p.later() // but not if it stops
	if err := receive(t, "OnClose", p.closed); err != ErrSlow {
		t.Errorf("closed with %v, want ErrSlow", err)
	}

	p, _ = pendingPeer(t, Options{UserTimeout: time.Second, Sweep: time.Millisecond, MinDrain: -1})
	m := p.c.loop.engine.monitor
	m.sweepSlow(p.c.loop.engine.clock.read())
	p.wantOpen(t)
}
