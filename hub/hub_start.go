package hub

import (
	"math/rand/v2"
	"time"
)

// New returns a hub. It starts nothing; see Start.
func New(o Options) *Hub {
	if o.Workers == nil {
		o.Workers = Goroutines(1)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxSubscriptions <= 0 {
		o.MaxSubscriptions = DefaultMaxSubscriptions
	}
	if o.EndTimeout <= 0 {
		o.EndTimeout = DefaultEndTimeout
	}
	if o.MaxPatterns <= 0 {
		o.MaxPatterns = DefaultMaxPatterns
	}
	o.fillTotals()
	h := &Hub{opts: o, began: o.Now(), runLength: runLength, topics: make(map[string]*Topic), owners: make(map[string]*owner), aging: make(map[*Topic]struct{})}
	h.memory = memory{limit: o.MaxMemory, holders: make(map[*Topic]struct{})}
	h.memory.next.Store(o.MaxMemory)
	h.epochs.Store(rand.Uint64() >> 12) // 52 bits fit into a JavaScript number
	h.patternsAt.Store(1)
	h.members.Store(rand.Uint64() >> 40) // so that the IDs differ from those before a restart
	if o.Broker != nil {
		h.node = newBrokerNode(h)
		if h.roster = newRoster(h.node); h.roster != nil {
			h.members.Store(rand.Uint64() >> 12) // so that they differ from those of other nodes
			h.opts.MaxPresenceData = min(h.opts.MaxPresenceData, maxPeerData)
		}
	}
	return h
}

// Start attaches the hub to its broker, and asks Options.Workers for the number of loops. The
// first use of the hub does so too; a program calls Start to connect to the broker before that.
// Further calls do nothing.
func (h *Hub) Start() {
	h.started.Do(func() {
		h.loops = max(h.opts.Workers.Loops(), 1)
		if h.node != nil {
			h.node.introduce()
			h.node.broker.Attach(h.node)
		}
	})
}
