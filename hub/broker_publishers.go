package hub

import (
	"sync"
	"time"
)

const (
	// A publisher is remembered at least until publishersKept others have been added after it,
	// or publishersAge has passed. No more than twice publishersKept are remembered.
	publishersKept = 16 << 10
	publishersAge  = time.Minute
)

// publishers holds the publishers that must not get their own messages, while these are on
// their way through the broker. The publisher of a message that does not arrive is forgotten
// eventually.
type publishers struct {
	now func() time.Time

	mu      sync.Mutex
	last    uint64
	young   map[uint64]Subscriber
	old     map[uint64]Subscriber
	rotated time.Time // when young last became old
}

// add returns a token with which s can be taken once.
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

// take returns the publisher that has the token; nil if it has been forgotten.
func (p *publishers) take(token uint64) Subscriber {
	if token == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.young[token]
	if s == nil {
		s = p.old[token]
	}
	delete(p.young, token)
	delete(p.old, token)
	return s
}
