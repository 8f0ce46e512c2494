package hub

import (
	"sync"
	"time"
)

const (
	// publishersKept is how many publishers are remembered at least, and half of how many at most.
	publishersKept = 16 << 10
	// publishersAge is how long they are remembered at least.
	publishersAge = time.Minute
)

// publishers are those whose messages are on their way through the broker, and who are
// not to get them back. What does not come is forgotten some time.
type publishers struct {
	now func() time.Time

	mu      sync.Mutex
	last    uint64
	young   map[uint64]Subscriber
	old     map[uint64]Subscriber
	rotated time.Time // when the young ones were old before
}

// add returns a number by which s can be taken once.
func (p *publishers) add(s Subscriber) uint64 {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.young == nil || len(p.young) >= publishersKept || now.Sub(p.rotated) > publishersAge {
		p.old, p.young, p.rotated = p.young, make(map[uint64]Subscriber), now
	}
	p.last++
	p.young[p.last] = s
	return p.last
}

// take returns who had that number, nil if that is not known any more.
func (p *publishers) take(seq uint64) Subscriber {
	if seq == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.young[seq]
	if s == nil {
		s = p.old[seq]
	}
	delete(p.young, seq)
	delete(p.old, seq)
	return s
}
