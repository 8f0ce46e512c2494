package hub

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Hub holds topics. Its methods are safe for concurrent use and never wait for a subscriber. A
// publisher that is faster than the fan-out waits for the fan-out.
type Hub struct {
	opts      Options
	runLength int         // the constant, except in tests
	node      *brokerNode // nil without a broker
	roster    *roster     // nil if the broker is not one of Peers
	encodings encodings
	began     time.Time
	started   sync.Once
	loops     int // set by start

	epochs     atomic.Uint64
	patternsAt atomic.Uint64 // changes when patterns begin or end
	members    atomic.Uint64 // the number of the last member

	subscriptions atomic.Int64
	presentBytes  atomic.Int64 // memory for presence

	mu       sync.RWMutex
	topics   map[string]*Topic
	index    index             // the same topics, ordered by name
	owners   map[string]*owner // by key
	patterns trie[*Topic]      // those of topics whose names are patterns
	retiring []*Topic          // patterns that have lost their last subscriber, the latest last
	aging    map[*Topic]struct{}
	sweeper  *time.Timer   // runs while topics are aging
	filled   *TopicOptions // of the topic that was created last

	notices notices
	memory  memory
	leaving leaving
	closed  atomic.Bool // Shutdown was called

	published atomic.Int64
	evicted   atomic.Int64
	dropped   [Conflate + 1]atomic.Int64 // by policy
	lagging   atomic.Int64               // the sum of Topic.laggards
	present   atomic.Int64               // members that have not left

	passes [passShards]passCounters // by loop
}

// Options returns the options in force, with the defaults filled in.
func (h *Hub) Options() Options { return h.opts }

// HasBroker reports whether h has a broker, so that Publish and Subscribe may wait.
func (h *Hub) HasBroker() bool { return h.node != nil }

// lookup returns the topic or pattern with that name, nil if there is none.
func (h *Hub) lookup(name string) *Topic {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.topics[name]
}

// all returns all topics and patterns, unsorted.
func (h *Hub) all() []*Topic {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Collect(maps.Values(h.topics))
}

// newEpoch returns an epoch that very likely no other topic of any hub has.
func (h *Hub) newEpoch() uint64 { return h.epochs.Add(1) }
