package hub

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ErrTooManyTopics is wrapped by what is returned if there would be more than Options.MaxTopics.
var ErrTooManyTopics = errors.New("hub: too many topics")

// DefaultMaxTopics is the Options.MaxTopics of hubs that state none.
const DefaultMaxTopics = 1 << 20

// Hub holds topics. Its methods are safe from any goroutine and never wait for a
// subscriber; a publisher that is too fast waits for the fan-out.
type Hub struct {
	opts      Options
	runLength int         // runLength, but in tests
	node      *brokerNode // nil without a broker
	encodings encodings
	started   sync.Once
	loops     int // set by start

	epochs     atomic.Uint64
	patternsAt atomic.Uint64 // changes with patterns
	members    atomic.Uint64 // of whom the last has that number

	subscriptions atomic.Int64
	presentBytes  atomic.Int64 // what it weighs who is where

	mu       sync.RWMutex
	topics   map[string]*Topic
	index    index             // the same, in their order
	owners   map[string]*owner // of topics
	patterns trie[*Topic]      // those of topics whose names are patterns
	retiring []*Topic          // patterns that nobody listened to at some time, the latest last
	aging    map[*Topic]struct{}
	sweeper  *time.Timer   // runs while topics are aging
	filled   *TopicOptions // those of the last topic that was made

	memory  memory
	leaving leaving
	closed  atomic.Bool // Shutdown was called

	published atomic.Int64
	delivered atomic.Int64
	evicted   atomic.Int64
	dropped   atomic.Int64
}

// New returns a hub. It starts nothing: see Start.
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
	h := &Hub{opts: o, runLength: runLength, topics: make(map[string]*Topic), owners: make(map[string]*owner), aging: make(map[*Topic]struct{})}
	h.memory = memory{hub: h, limit: o.MaxMemory, holders: make(map[*Topic]struct{})}
	h.memory.next.Store(o.MaxMemory)
	h.epochs.Store(rand.Uint64() >> 12) // 52 bits: JavaScript's numbers hold them, too
	h.patternsAt.Store(1)
	h.members.Store(rand.Uint64() >> 40) // so that those of before a restart are others
	if o.Broker != nil {
		h.node = newBrokerNode(h)
	}
	return h
}

// Start attaches the hub to its broker, and asks Options.Workers how many loops there are.
// The first use of the hub does so too; a program calls Start to have the link to the
// broker up before that. Further calls do nothing.
func (h *Hub) Start() {
	h.started.Do(func() {
		h.loops = max(h.opts.Workers.Loops(), 1)
		if h.node != nil {
			h.node.broker.Attach(h.node)
		}
	})
}

// Options returns the options in force, defaults filled in.
func (h *Hub) Options() Options { return h.opts }

// Stats are a hub's counters. Those in the past tense only grow.
type Stats struct {
	Topics    int   `json:"topics"`
	Published int64 `json:"published"` // messages
	Delivered int64 `json:"delivered"` // messages, times subscribers
	Evicted   int64 `json:"evicted"`   // subscribers that were too slow
	Dropped   int64 `json:"dropped"`   // messages, times subscribers that did not get them
	Memory    int64 `json:"memory"`    // bytes of messages that topics hold now: see Options.MaxMemory
	Shed      int64 `json:"shed"`      // messages that were forgotten since they were more
}

// Stats returns the counters as they are now.
func (h *Hub) Stats() Stats {
	h.mu.RLock()
	n := len(h.topics)
	h.mu.RUnlock()
	return Stats{
		Topics: n, Published: h.published.Load(), Delivered: h.delivered.Load(), Evicted: h.evicted.Load(),
		Dropped: h.dropped.Load(), Memory: h.memory.held.Load(), Shed: h.memory.shed.Load(),
	}
}

// Topics returns the topics, and the patterns, that have subscribers or history, by
// name.
func (h *Hub) Topics() []TopicStats {
	all := h.all()
	stats := make([]TopicStats, 0, len(all))
	for _, t := range all {
		stats = append(stats, t.stats())
	}
	sort.Slice(stats, func(i, j int) bool { return stats[i].Name < stats[j].Name })
	return stats
}

// all returns the topics and the patterns.
func (h *Hub) all() []*Topic {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Collect(maps.Values(h.topics))
}

// Topic returns what Topics says about one, and whether it exists.
func (h *Hub) Topic(name string) (TopicStats, bool) {
	if t := h.lookup(name); t != nil {
		return t.stats(), true
	}
	return TopicStats{}, false
}

// Subscribe adds a subscriber to the topic, or, if name is a pattern, to all topics
// that match it, now and later (see [CheckPattern]). s is memory of the caller's,
// zero, and stands for this one subscription. The subscriber gets every message
// that is published after Subscribe returned, and none that was published before it
// began but for those that o asks for. A topic begins with its first subscriber or
// message, and ends when it has neither.
//
// at is where the subscription begins: after the last message that s does not get. A
// later Subscribe with Start.After gets what follows the last message that s got.
// The error is a *TooOldError if messages are missing that o asks for. If the hub has a
// [Broker], Subscribe may wait for it, as [Options] say, and its error wraps
// [ErrLinkDown] if the topic is new here and the broker cannot be reached. It wraps
// [ErrNoEncoding] if o.Encoding is missing or cannot be used.
func (h *Hub) Subscribe(name string, s *Subscription, to Subscriber, o SubscribeOptions) (at Position, err error) {
	if err := checkSubject(name); err != nil {
		return at, err
	}
	if s.shard != nil {
		return at, errors.New("hub: a Subscription can be used only once")
	}
	id, err := h.encodingOf(to, o.Encoding)
	if err != nil {
		return at, err
	}
	h.Start()
	for {
		t, err := h.begin(name, creatorOf(o.Owner, to), o.Start)
		if err != nil {
			return at, err
		}
		at, ok, err := t.subscribe(s, to, id, o)
		if err != nil && h.node.lostAgain(t, o.Start) {
			continue
		}
		if err != nil {
			h.drop(t) // if it was made for this
		}
		if ok {
			return at, err
		}
	}
}

// encodingOf returns the number of e, which to can send.
func (h *Hub) encodingOf(to Subscriber, e Encoding) (encodingID, error) {
	if m, ok := to.(*Member); ok {
		to = m.to
	}
	if c, ok := to.(EncodingChecker); ok && e != nil {
		if err := c.CheckEncoding(e); err != nil {
			return 0, fmt.Errorf("%w: %w", ErrNoEncoding, err)
		}
	}
	return h.encodings.id(e)
}

// begin returns the topic of that name, with what the broker has of it for o.
func (h *Hub) begin(name string, by creator, o Start) (*Topic, error) {
	if h.node == nil {
		return h.topic(name, by)
	}
	t, err := h.node.begin(name, by)
	if err != nil {
		return nil, err
	}
	if err := h.node.fetchMissing(t, o); err != nil {
		h.drop(t)
		return nil, err
	}
	return t, nil
}

// checkSubject checks what can be subscribed to.
func checkSubject(name string) error {
	if IsPattern(name) {
		return CheckPattern(name)
	}
	return CheckName(name)
}

// Disconnect closes all who are subscribed to the topic, or the pattern, and returns
// their number. Of a [Member] whose connection is an [UnsubscribeHandler] only the subscription ends.
//
// It is an event in the topic's order: what was published before it is delivered first, of
// a member that is closed in all its topics; to a subscriber that is slow within its topic's
// limit and Options.EndTimeout. Nothing that is published after it is delivered, nor counts
// them as receivers. It waits for no subscriber; those who are up to date are closed when it
// returns, the others soon. With a [Broker] it waits for what was published before it at any
// node, if that is a [Syncer].
func (h *Hub) Disconnect(name string, why CloseReason) int {
	return h.DisconnectIf(name, func(Subscriber) bool { return true }, why)
}

// DisconnectIf does what Disconnect does, to those for whom is reports true: as to one
// user's in a topic, or to those of a user who came with one session. It looks at all who
// are subscribed, of whom the members are a *[Member] each, and not its connection.
func (h *Hub) DisconnectIf(name string, is func(Subscriber) bool, why CloseReason) int {
	h.node.sync()
	if t := h.lookup(name); t != nil {
		return t.close(is, &closeAction{why})
	}
	return 0
}

// History returns what the topic holds from o on, at most limit messages, and where
// the topic is. It fails with a *TooOldError if not all that o asks for is held.
func (h *Hub) History(name string, o Start, limit int) (all []*Record, at Position, err error) {
	if err := CheckName(name); err != nil {
		return nil, at, err
	}
	t := h.lookup(name)
	if h.node != nil && h.keeps(name) {
		h.Start()
		if t, err = h.begin(name, creator{}, o); err != nil {
			return nil, at, err
		}
		defer h.drop(t)
	}
	if t == nil {
		if o.After != nil {
			return nil, at, &TooOldError{Asked: *o.After}
		}
		return nil, at, nil
	}
	return t.history(o, limit)
}

// keeps reports whether the topic of that name has history.
func (h *Hub) keeps(name string) bool {
	if t := h.lookup(name); t != nil {
		return t.opts.History.kept()
	}
	if h.opts.Topic == nil {
		return false
	}
	o := h.opts.Topic(name)
	return o != nil && o.History.kept()
}

// lookup returns the topic of that name, nil if there is none.
func (h *Hub) lookup(name string) *Topic {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.topics[name]
}

// topic returns the topic of that name, making it if there is none. It fails
// with ErrTooManyTopics.
func (h *Hub) topic(name string, by creator) (*Topic, error) {
	if t := h.lookup(name); t != nil {
		return t, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[name]
	if t == nil {
		var o *owner
		if !IsUserTopic(name) { // of which a connection makes one at most
			o = h.ownerLocked(by.key())
		}
		if err := h.roomLocked(name, o); err != nil {
			return nil, err
		}
		t = newTopic(h, strings.Clone(name)) // it may be part of a long URI
		h.topics[t.name] = t
		h.index.insert(t)
		h.ownLocked(t, o)
		if t.pattern {
			h.patterns.insert(t.name, t)
			h.patternsAt.Add(1)
		}
		if t.opts.History.kept() {
			h.aging[t] = struct{}{}
			h.sweepLaterLocked()
		}
	}
	return t, nil
}

// newEpoch returns a number that no other topic of any hub has, very likely.
func (h *Hub) newEpoch() uint64 { return h.epochs.Add(1) }

// topicOptionsLocked returns the options of a topic. Most are like those of the last
// one: then they share them.
func (h *Hub) topicOptionsLocked(name string) *TopicOptions {
	var o TopicOptions
	if h.opts.Topic != nil {
		if given := h.opts.Topic(name); given != nil {
			o = *given
		}
	}
	o.fill()
	if h.filled == nil || *h.filled != o {
		h.filled = &o
	}
	return h.filled
}
