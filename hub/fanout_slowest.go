package hub

import (
	"cmp"
	"slices"
)

// SlowSubscriber is a subscriber that has not taken all messages of a topic, as the last fan-out pass has found it.
type SlowSubscriber struct {
	Subscriber Subscriber `json:"-"`        // that was passed to Subscribe, or the *Member
	Messages   uint64     `json:"messages"` // that it has yet to get, with those that it will not get because they are superseded
	Bytes      int64      `json:"bytes"`    // that these count for in the topic's limit
	Dropped    int64      `json:"dropped"`  // messages that it did not get, since it has subscribed
}

// mostSlow is how many of its slowest subscribers a shard remembers.
const mostSlow = 16

// slowest are the subscribers of a shard that lag behind most. Each pass finds them anew, since it comes to all that are
// behind anyway. The last result is kept until the next pass, without those that have left or have taken all meanwhile; with
// the last of these it goes as a whole.
type slowest struct {
	subs  [mostSlow]*Subscription
	lags  [mostSlow]backlogSize
	n     int
	least int  // index of the one that lags behind least, once all places are taken
	more  bool // others lag behind, too
}

type backlogSize struct {
	messages uint64
	bytes    int64
}

func (a backlogSize) compare(b backlogSize) int {
	return cmp.Or(cmp.Compare(a.bytes, b.bytes), cmp.Compare(a.messages, b.messages))
}

// note records a subscription that is behind after a pass that has delivered b to the others.
func (x *slowest) note(s *Subscription, b *batch) {
	if !s.behind() || s.gone() {
		return
	}
	size := s.lag.sizeTo(s.cursor, b)
	switch {
	case size.messages == 0 && s.lag.kept == nil: // it has been sent everything, and has yet to take it
	case x.n < mostSlow:
		x.subs[x.n], x.lags[x.n] = s, size
		if x.n++; x.n == mostSlow {
			x.findLeast()
		}
	default:
		x.more = true
		if size.compare(x.lags[x.least]) > 0 {
			x.subs[x.least], x.lags[x.least] = s, size
			x.findLeast()
		}
	}
}

func (x *slowest) findLeast() {
	x.least = 0
	for i := range x.lags {
		if x.lags[i].compare(x.lags[x.least]) < 0 {
			x.least = i
		}
	}
}

// sizeTo returns what a subscription at cursor lacks of the messages up to the end of b.
func (l *lag) sizeTo(cursor uint64, b *batch) backlogSize {
	until := b.next
	if l.kept != nil { // it gets no more than that
		until = min(until, l.kept.until)
	}
	size := backlogSize{messages: until - min(until, cursor)}
	if size.messages > 0 {
		size.bytes = int64(b.end - min(b.end, l.backlog.at))
	}
	return size
}

// remove forgets s, if it is there.
func (x *slowest) remove(s *Subscription) {
	i := slices.Index(x.subs[:x.n], s)
	if i < 0 {
		return
	}
	x.n--
	x.subs[i], x.lags[i] = x.subs[x.n], x.lags[x.n]
	x.subs[x.n] = nil
}

// notSlowLocked forgets a subscription that has left, or has taken all, among the slowest ones.
func (sh *shard) notSlowLocked(s *Subscription) {
	k := sh.cold
	if k == nil || k.slowest == nil {
		return
	}
	if k.slowest.remove(s); k.slowest.n > 0 {
		return
	}
	k.slowest = nil
	if !sh.inPass {
		sh.dropColdLocked()
	}
}

// keepSlowestLocked replaces what the shard remembers by what a pass has found.
func (sh *shard) keepSlowestLocked(found *slowest) {
	if found.n == 0 {
		if sh.cold != nil {
			sh.cold.slowest = nil
		}
		return
	}
	k := sh.coldLocked()
	if k.slowest == nil {
		k.slowest = new(slowest)
	}
	*k.slowest = *found
}

// appendSlowest appends the subscribers that the last pass has found and that are still behind. The caller holds Topic.mu.
func (sh *shard) appendSlowest(all []SlowSubscriber) []SlowSubscriber {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.cold == nil || sh.cold.slowest == nil {
		return all
	}
	x := sh.cold.slowest
	for i, s := range x.subs[:x.n] {
		if l := s.lag; l != nil && l.behind && !s.gone() { // these change under Topic.mu
			size := x.lags[i]
			all = append(all, SlowSubscriber{s.to, size.messages, size.bytes, l.dropped.Load()})
		}
	}
	return all
}

// Slowest returns up to limit subscribers of a topic or pattern that have not taken all of its messages, those that lag behind
// most first. It is the state of the last message; of each loop's subscribers the topic remembers the 16 slowest. So
// it costs the same however many subscribers there are.
func (h *Hub) Slowest(name string, limit int) []SlowSubscriber {
	t := h.lookup(name)
	if t == nil {
		return nil
	}
	var all []SlowSubscriber
	t.mu.Lock()
	for _, sh := range t.shards {
		all = sh.appendSlowest(all)
	}
	t.mu.Unlock()
	slices.SortStableFunc(all, func(a, b SlowSubscriber) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Messages, a.Messages))
	})
	return all[:min(max(limit, 0), len(all))]
}

// Behind returns how many messages the subscriber has yet to get, of which [Hub.Slowest] says more. It is not known of one that
// lags behind while its loop has 16 in the topic that lag more.
func (s *Subscription) Behind() (messages uint64, known bool) {
	sh := s.shard
	sh.topic.mu.Lock()
	defer sh.topic.mu.Unlock()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !s.behind() || s.gone() || sh.cold == nil || sh.cold.slowest == nil { // these change under Topic.mu
		return 0, true
	}
	x := sh.cold.slowest
	if i := slices.Index(x.subs[:x.n], s); i >= 0 {
		return x.lags[i].messages, true
	}
	return 0, !x.more
}
