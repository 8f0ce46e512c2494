package hub

import (
	"math/rand/v2"
	"sync"
	"time"
)

// MemoryBrokerOptions configure a [MemoryBroker]. The zero value keeps no history.
type MemoryBrokerOptions struct {
	History int // messages to keep, of all topics together
	// Now is the clock, for tests; time.Now if nil.
	Now func() time.Time
}

// MemoryBroker is a broker within one process: it joins hubs, each of which has a [MemoryNode].
// It is the reference for other brokers, and serves tests of a hub that loses its broker.
type MemoryBroker struct {
	opts MemoryBrokerOptions

	mu        sync.Mutex
	epoch     uint64
	last      uint64      // offset of the last message
	held      []*Envelope // history
	forgotten uint64      // all messages of the history have higher offsets
	nodes     map[*MemoryNode]struct{}
	waiting   map[string][]*publication // by topic, in order: publications that wait for slow nodes
}

// maxNodeQueue is how many bytes may wait for a node of a MemoryBroker before publications must
// wait.
const maxNodeQueue = 8 << 20

// NewMemoryBroker returns a memory broker without nodes.
func NewMemoryBroker(o MemoryBrokerOptions) *MemoryBroker {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &MemoryBroker{opts: o, epoch: rand.Uint64()>>12 | 1, nodes: make(map[*MemoryNode]struct{})}
}

// Node returns a new node, which is connected.
func (b *MemoryBroker) Node() *MemoryNode {
	n := &MemoryNode{
		broker: b, topics: make(map[string]struct{}),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	b.mu.Lock()
	b.nodes[n] = struct{}{}
	b.mu.Unlock()
	return n
}

// renew begins a new epoch, as if the broker had lost everything.
func (b *MemoryBroker) renew() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.epoch++
	b.last, b.held, b.forgotten = 0, nil, 0
	for n := range b.nodes {
		if !n.down {
			n.pushLocked(nodeCall{linked: b.positionLocked()})
		}
	}
}

func (b *MemoryBroker) positionLocked() Position { return Position{b.epoch, b.last} }

// keepLocked adds m to the history.
func (b *MemoryBroker) keepLocked(m *Envelope) {
	b.held = append(b.held, m)
	if len(b.held) >= 2*b.opts.History {
		old := len(b.held) - b.opts.History
		if old > 0 {
			b.forgotten = b.held[old-1].Position.Offset
		}
		b.held = append([]*Envelope(nil), b.held[old:]...) // others may read the old ones
	}
}
