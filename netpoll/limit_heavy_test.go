//go:build linux

package netpoll

import (
	"sync"
	"testing"
)

// The lists are searched while connections enter and leave them.
func TestChargeBesidePick(t *testing.T) {
	s := serve(t, Options{Loops: 1}, func(*peer) {})
	var charges sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		_, p := s.connect(t)
		charges.Go(func() {
			for range 2000 {
				for _, n := range []int{8 << 10, 64 << 10, 512 << 10} { // from list to list
					p.c.Charge(n)
				}
				p.c.Charge(-584 << 10)
			}
		})
	}
	go func() { charges.Wait(); close(done) }()
	for {
		for class := range loadClasses {
			if c, _ := s.loops[0].heavy.pick(class, nil); c != nil {
				c.mu.Unlock()
			}
		}
		select {
		case <-done:
			if n := s.Stats().Held; n != 0 {
				t.Errorf("%d bytes are held at the end", n)
			}
			return
		default:
		}
	}
}

// A connection is not closed in place of a heavier one that is locked for a moment.
func TestNoLighterOneIsShed(t *testing.T) {
	const total = 1 << 20
	s := serve(t, Options{TotalPending: total, Loops: 2}, func(*peer) {})
	_, light := s.connect(t)
	light.c.Charge(100 << 10)
	var heavy []*peer
	for range 3 {
		_, p := s.connect(t)
		p.c.Charge(260 << 10)
		heavy = append(heavy, p)
	}
	_, last := s.connect(t)
	for _, p := range heavy {
		p.c.mu.Lock()
	}
	last.c.Charge(total*31/32 - 880<<10) // beyond what makes it look, and not all
	light.wantOpen(t)
	last.wantOpen(t)
	for _, p := range heavy {
		p.c.mu.Unlock()
	}
	eventually(t, "one of the heaviest is closed", func() bool { return s.Stats().Shed == 1 })
	light.wantOpen(t)
	for _, p := range heavy { // if there were no room at all, it would not wait
		p.c.mu.Lock()
		defer p.c.mu.Unlock()
	}
	last.c.Charge(total)
	last.wantShed(t)
}
