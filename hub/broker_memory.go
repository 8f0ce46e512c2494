package hub

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// MemoryBrokerOptions configure a [MemoryBroker]. The zero value keeps no history.
type MemoryBrokerOptions struct {
	History int // messages to keep, of all topics together
	// Now is the clock, for tests; time.Now if nil.
	Now func() time.Time
}

// MemoryBroker is a broker within one process: it joins hubs, each of which has a [MemoryNode].
// It is the reference for other brokers, and serves tests of a hub that loses its broker. Its nodes
// are [Peers].
type MemoryBroker struct {
	opts MemoryBrokerOptions

	mu        sync.Mutex
	epoch     uint64
	last      uint64              // offset of the last message
	held      []*Envelope         // history
	forgotten uint64              // all messages of the history have higher offsets
	ids       map[string]Position // of the messages with an ID, by topic and ID
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
	return &MemoryBroker{opts: o, epoch: rand.Uint64()>>12 | 1, ids: make(map[string]Position), nodes: make(map[*MemoryNode]struct{})}
}

// MemoryNode is a node of a [MemoryBroker]: the [Broker] of one hub.
type MemoryNode struct {
	broker *MemoryBroker
	node   Node
	wake   chan struct{}
	done   chan struct{} // closed when nothing is called any more
	cuts   atomic.Uint64
	peer   memoryPeer

	// Guarded by MemoryBroker.mu.
	topics   map[string]struct{}
	patterns trie[struct{}]
	queue    []nodeCall
	size     int // of the messages in queue and of those that are being delivered, in bytes
	down     bool
	closed   bool
}

// nodeCall is a call of a Node's Deliver, Lost or Linked, of a PeerNode's PeerChanged or PeerGone, or
// a call of Sync that waits for its turn.
type nodeCall struct {
	synced  chan struct{}
	peer    *peerChange
	message *Envelope
	lost    error
	linked  Position
	cuts    uint64 // at the time of the call: a message or Linked from before the last cut is lost
}

// publication is a message that waits for slow nodes. Exactly one of publishWaiting and expire
// takes it out of MemoryBroker.waiting, and calls done.
type publication struct {
	message *Envelope
	done    func(Position, error)
	stop    func() bool // stops watching the context
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

func (n *MemoryNode) pushLocked(c nodeCall) {
	c.cuts = n.cuts.Load()
	n.queue = append(n.queue, c)
	if c.message != nil {
		n.size += c.message.cost()
	}
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// cost returns what the message counts for in limits, in bytes.
func (m *Envelope) cost() int { return len(m.Data) + len(m.Key) + entryCost }

// errLocked returns why the node is unusable, or nil.
func (n *MemoryNode) errLocked() error {
	switch {
	case n.closed:
		return fmt.Errorf("%w: the node is closed", ErrLinkDown)
	case n.down:
		return ErrLinkDown
	}
	return nil
}

// wantsLocked reports whether the node is connected and has joined the topic.
func (n *MemoryNode) wantsLocked(topic string) (yes bool) {
	if n.down {
		return false
	}
	if _, yes = n.topics[topic]; !yes {
		n.patterns.match(topic, func(struct{}) bool {
			yes = true
			return false
		})
	}
	return yes
}
