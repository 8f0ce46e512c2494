package hub

import (
	"sort"
	"strings"

	"github.com/fanfare-ws/fanfare/netpoll/histogram"
)

// Stats are a hub's counters. Published, Delivered, Evicted, Dropped, Drops, Shed and FanOut only grow.
type Stats struct {
	Topics        int   `json:"topics"`
	Subscriptions int64 `json:"subscriptions"`
	Published     int64 `json:"published"` // messages
	Delivered     int64 `json:"delivered"` // each message counts once for each subscriber
	Evicted       int64 `json:"evicted"`   // subscribers that were too slow
	Dropped       int64 `json:"dropped"`   // each message counts once for each subscriber that did not get it
	Memory        int64 `json:"memory"`    // bytes that the topics' logs hold now: see Options.MaxMemory
	Shed          int64 `json:"shed"`      // messages that were dropped because of Options.MaxMemory

	Members       int64     `json:"members"`        // connections that are a Member now
	Lagging       int64     `json:"lagging"`        // subscriptions that have not taken all yet
	PresenceBytes int64     `json:"presence_bytes"` // memory for presence: see Options.MaxPresence
	Drops         DropStats `json:"drops"`          // Dropped, by the policy of the topic
	// FanOut is how long passes take that deliver a batch to the subscribers of a topic in one loop.
	FanOut histogram.Snapshot `json:"fan_out"`
}

// DropStats are messages that subscribers did not get because they were slow, by the policy of the topic. Each message counts
// once for each subscriber.
type DropStats struct {
	Disconnect int64 `json:"disconnect"` // at the end of a subscription: Evicted counts the subscribers that were closed
	DropNewest int64 `json:"drop_newest"`
	DropOldest int64 `json:"drop_oldest"`
	Conflate   int64 `json:"conflate"` // most of them superseded
}

// Stats returns the present counters.
func (h *Hub) Stats() Stats {
	h.mu.RLock()
	n := len(h.topics)
	h.mu.RUnlock()
	s := Stats{
		Topics: n, Subscriptions: h.subscriptions.Load(), Published: h.published.Load(), Evicted: h.evicted.Load(),
		Memory: h.memory.held.Load(), Shed: h.memory.shed.Load(),
		Members: h.present.Load(), Lagging: h.lagging.Load(), PresenceBytes: h.presentBytes.Load(),
		Drops: DropStats{
			Disconnect: h.dropped[Disconnect].Load(), DropNewest: h.dropped[DropNewest].Load(),
			DropOldest: h.dropped[DropOldest].Load(), Conflate: h.dropped[Conflate].Load(),
		},
	}
	s.Dropped = s.Drops.Disconnect + s.Drops.DropNewest + s.Drops.DropOldest + s.Drops.Conflate
	for i := range h.passes {
		h.passes[i].addTo(&s)
	}
	return s
}

// TopicStats describes a topic.
type TopicStats struct {
	Name        string   `json:"name"`
	Subscribers int      `json:"subscribers"`
	Published   uint64   `json:"published"`         // messages since the topic began
	Position    Position `json:"position"`          // after the last message
	Held        int      `json:"history,omitempty"` // messages that are held
	Evicted     int64    `json:"evicted"`           // subscribers that were too slow
	Dropped     int64    `json:"dropped,omitempty"` // messages that subscribers did not get, by the topic's policy
	Lagging     int      `json:"lagging,omitempty"` // subscribers that have not taken all yet; see Hub.Slowest
	Slow        string   `json:"slow"`              // the topic's policy, as SlowPolicy.String
	Memory      int64    `json:"memory,omitempty"`  // bytes that the log holds, which count for Options.MaxMemory
}

func (t *Topic) stats() TopicStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return TopicStats{
		Name: t.name, Subscribers: t.count, Published: t.publishedLocked(), Position: t.positionLocked(),
		Held: t.log.count, Evicted: t.evicted.Load(), Dropped: t.dropped.Load(), Lagging: int(t.laggards),
		Slow: t.opts.Slow.String(), Memory: int64(t.log.cost + t.log.kept),
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

// TopicsQuery says which topics Hub.TopicsPage returns.
type TopicsQuery struct {
	After  string // only topics with later names
	Prefix string // only topics whose names begin with it
	Limit  int    // the most topics to return; 100 if 0, and at most 1,000
	Users  bool   // also topics of users, whose names begin with @
}

// The default of [TopicsQuery].Limit, and its largest value.
const (
	DefaultTopicsLimit = 100
	MaxTopicsLimit     = 1000
)

// TopicsPage returns a page of the topics and patterns that have subscribers or history, in the
// order of their names. next is the After of the next page, or "" if there are no more. A topic
// that exists all the time is on exactly one page, no matter which others begin or end meanwhile.
func (h *Hub) TopicsPage(q TopicsQuery) (page []TopicStats, next string) {
	limit := q.Limit
	if limit <= 0 {
		limit = DefaultTopicsLimit
	}
	limit = min(limit, MaxTopicsLimit)
	topics := h.topicsAfter(q, limit+1)
	if len(topics) > limit {
		topics = topics[:limit]
		next = topics[limit-1].name
	}
	page = make([]TopicStats, len(topics))
	for i, t := range topics {
		page[i] = t.stats()
	}
	return page, next
}

// beyondUsers sorts after the names of all users' topics, and after no other name that does:
// they begin with @, which A follows.
const beyondUsers = "A"

// topicsAfter returns up to limit topics of those that q asks for.
func (h *Hub) topicsAfter(q TopicsQuery, limit int) (all []*Topic) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	x := &h.index
	run, i := x.find(max(q.Prefix, q.After))
	for run < len(x.runs) && len(all) < limit {
		if i == len(x.runs[run]) {
			run, i = run+1, 0
			continue
		}
		switch t := x.runs[run][i]; {
		case !strings.HasPrefix(t.name, q.Prefix):
			return all
		case IsUserTopic(t.name) && !q.Users:
			run, i = x.find(beyondUsers)
			continue
		case t.name != q.After:
			all = append(all, t)
		}
		i++
	}
	return all
}
