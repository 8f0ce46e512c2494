package hub

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
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
	h := &Hub{opts: o, runLength: runLength, topics: make(map[string]*Topic), owners: make(map[string]*owner), aging: make(map[*Topic]struct{})}
	h.memory = memory{limit: o.MaxMemory, holders: make(map[*Topic]struct{})}
	h.memory.next.Store(o.MaxMemory)
	h.epochs.Store(rand.Uint64() >> 12) // 52 bits fit into a JavaScript number
	h.patternsAt.Store(1)
	h.members.Store(rand.Uint64() >> 40) // so that the IDs differ from those before a restart
	if o.Broker != nil {
		h.node = newBrokerNode(h)
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
			h.node.broker.Attach(h.node)
		}
	})
}

// Options returns the options in force, with the defaults filled in.
func (h *Hub) Options() Options { return h.opts }

// Stats are a hub's counters. Published, Delivered, Evicted, Dropped and Shed only grow.
type Stats struct {
	Topics    int   `json:"topics"`
	Published int64 `json:"published"` // messages
	Delivered int64 `json:"delivered"` // each message counts once for each subscriber
	Evicted   int64 `json:"evicted"`   // subscribers that were too slow
	Dropped   int64 `json:"dropped"`   // each message counts once for each subscriber that did not get it
	Memory    int64 `json:"memory"`    // bytes that the topics' logs hold now: see Options.MaxMemory
	Shed      int64 `json:"shed"`      // messages that were dropped because of Options.MaxMemory
}

// Stats returns the present counters.
func (h *Hub) Stats() Stats {
	h.mu.RLock()
	n := len(h.topics)
	h.mu.RUnlock()
	return Stats{
		Topics: n, Published: h.published.Load(), Delivered: h.delivered.Load(), Evicted: h.evicted.Load(),
		Dropped: h.dropped.Load(), Memory: h.memory.held.Load(), Shed: h.memory.shed.Load(),
	}
}

// Topics returns all topics and patterns that have subscribers or history, sorted by name.
func (h *Hub) Topics() []TopicStats {
	all := h.all()
	stats := make([]TopicStats, 0, len(all))
	for _, t := range all {
		stats = append(stats, t.stats())
	}
	sort.Slice(stats, func(i, j int) bool { return stats[i].Name < stats[j].Name })
	return stats
}

// all returns all topics and patterns, unsorted.
func (h *Hub) all() []*Topic {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Collect(maps.Values(h.topics))
}

// Topic returns the statistics of one topic or pattern, and whether it exists.
func (h *Hub) Topic(name string) (TopicStats, bool) {
	if t := h.lookup(name); t != nil {
		return t.stats(), true
	}
	return TopicStats{}, false
}

// User returns what [Hub.Topic] returns for the user's topic. Its subscribers are the user's
// connections.
func (h *Hub) User(user string) (TopicStats, bool) { return h.Topic(UserTopic(user)) }

// Subscribe adds a subscriber to the topic, or, if name is a pattern, to all topics that match
// it, now and later (see [CheckPattern]). s is zeroed memory of the caller, and stands for this
// one subscription. The subscriber gets every message that is published after Subscribe has
// returned, and no message that was published before it began, except those that o asks for. A
// topic begins with its first subscriber or message, and ends when it has neither subscribers
// nor messages.
//
// at is where the subscription begins: after the last message that s does not get. A later
// Subscribe with Start.After resumes after the last message that s got. The error is a
// *TooOldError if messages that o asks for are missing. If the hub has a [Broker], Subscribe may
// wait for it, up to Options.BrokerTimeout each time, and its error wraps [ErrLinkDown] if the
// topic is new here and the broker cannot be reached. The error wraps [ErrNoEncoding] if
// o.Encoding is nil or cannot be used, and ErrTooManyTopics or ErrTooMany if a limit is reached.
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
			h.drop(t) // unless it has other subscribers
		}
		if ok {
			return at, err
		}
	}
}

// encodingOf returns the ID of e, after checking that to can send what e makes.
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

// begin returns the topic with that name, creating it if necessary. Its log then has the
// messages that o asks for, as far as the broker holds them.
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

// Disconnect closes all subscribers of the topic or pattern, and returns their number. If the
// connection of a [Member] is an [UnsubscribeHandler], only the subscription ends.
//
// It is an event in the topic's order. Messages that were published before it are delivered
// first; for a member that is closed, in all its topics. A slow subscriber gets them within its
// topic's limit and Options.EndTimeout. Messages that are published after it are not delivered,
// and do not count these subscribers as receivers. Disconnect does not wait for subscribers:
// those that are up to date have been closed when it returns, the others are closed soon. If the
// hub has a [Broker] that is a [Syncer], Disconnect waits for what was published before it at
// any node.
func (h *Hub) Disconnect(name string, why CloseReason) int {
	return h.DisconnectIf(name, func(Subscriber) bool { return true }, why)
}

// DisconnectIf is Disconnect for the subscribers for which is returns true: for example those of
// one user in a topic, or those of a user's connections that belong to one login. is is called
// for each subscriber; for a member it gets the *[Member], not the connection.
func (h *Hub) DisconnectIf(name string, is func(Subscriber) bool, why CloseReason) int {
	h.node.sync()
	if t := h.lookup(name); t != nil {
		return t.close(is, &closeAction{why})
	}
	return 0
}

// History returns messages of the topic as o asks for, at most limit of them, and the topic's
// position. The error is a *TooOldError if the topic does not hold all that o asks for.
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

// keeps reports whether the topic with that name has history.
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

// lookup returns the topic or pattern with that name, nil if there is none.
func (h *Hub) lookup(name string) *Topic {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.topics[name]
}

// topic returns the topic with that name, creating it on behalf of by if there is none. Its
// error wraps ErrTooManyTopics.
func (h *Hub) topic(name string, by creator) (*Topic, error) {
	if t := h.lookup(name); t != nil {
		return t, nil
	}
	name = strings.Clone(name)   // it may be part of a long URI
	opts := h.topicOptions(name) // under no lock, since it may call the program
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[name]
	if t == nil {
		var o *owner
		if !IsUserTopic(name) { // a connection creates at most one of these
			o = h.ownerLocked(by.key())
		}
		if err := h.roomLocked(name, o); err != nil {
			return nil, err
		}
		t = newTopic(h, name, h.shareLocked(opts))
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

// newEpoch returns an epoch that very likely no other topic of any hub has.
func (h *Hub) newEpoch() uint64 { return h.epochs.Add(1) }

// topicOptions returns the options of a topic, with the defaults filled in.
func (h *Hub) topicOptions(name string) (o TopicOptions) {
	if h.opts.Topic != nil {
		if given := h.opts.Topic(name); given != nil {
			o = *given
		}
	}
	o.fill()
	return o
}

// shareLocked returns a copy of o. Most topics have the same options as the one created before,
// and share them.
func (h *Hub) shareLocked(o TopicOptions) *TopicOptions {
	if h.filled == nil || *h.filled != o {
		shared := o
		h.filled = &shared
	}
	return h.filled
}

// HasBroker reports whether h has a broker, so that Publish and Subscribe may wait.
func (h *Hub) HasBroker() bool { return h.node != nil }
