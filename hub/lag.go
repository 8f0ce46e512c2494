package hub

import (
	"slices"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// maxRefused is how often in a row a subscriber may refuse a message although it has
// drained: it will never take it.
const maxRefused = 8

// fallBehind has s wait until it has drained, and then go on with number.
func (g *group) fallBehind(s *Subscription, number uint64, b handout) {
	t := g.topic
	t.mu.Lock()
	g.lagLocked(s)
	s.lag.behind, s.cursor = true, number
	t.laggards++
	b.limit = t.limitLocked(b.next)
	t.mu.Unlock()
	g.watch(s, b)
	if s.behind() {
		s.to.WhenDrained(s)
	}
}

func (g *group) lagLocked(s *Subscription) *lag {
	if s.lag == nil {
		s.lag = new(lag)
	}
	return s.lag
}

// leave has s, which is behind, wait for nothing more: it gets nothing, or, if
// number is that of its group, goes on with the others.
func (g *group) leaveLocked(s *Subscription, number uint64) {
	s.lag.behind, s.cursor, s.lag.replay = false, number, false
	g.topic.laggards--
}

// never is a number that no message has.
const never = ^uint64(0)

// catchUp gives a subscriber that has drained the next of what it has not got.
func (g *group) catchUp(s *Subscription) {
	if s.gone() || !s.behind() {
		return
	}
	b := g.missed(s)
	if b == nil {
		return
	}
	if n := b.missing(s.cursor); n > 0 {
		g.drop(s, n)
	}
	o, next := g.offer(s, b)
	if o.OK() {
		s.cursor, s.lag.refused = next, 0
	}
	switch o {
	case wsproto.Sent:
		g.mu.Lock()
		g.due = append(g.due, s) // after the others
		g.mu.Unlock()
	case wsproto.Full:
		if s.lag.refused++; s.lag.refused == maxRefused {
			g.evict(s, "a message is larger than what the connection may have pending")
			return
		}
		fallthrough
	case wsproto.Queued:
		s.to.WhenDrained(s)
	case wsproto.Closed:
		g.topic.mu.Lock()
		g.leaveLocked(s, never)
		g.topic.mu.Unlock()
	}
}

// offer hands s what it lacks of b, or, if that is too much at a time, the first
// message. next is where it goes on if it took it.
func (g *group) offer(s *Subscription, b *batch) (o wsproto.Outcome, next uint64) {
	h := g.topic.hub
	p := b.part(h, s.format(), s.cursor, s.to)
	if p == nil {
		return wsproto.Sent, b.next
	}
	o, next = s.to.SendPrepared(p), b.next
	if o == wsproto.Full && p.Messages() > 1 {
		e := b.firstFor(s)
		p = e.r.prepared(s.format(), h.opts.Wrap)
		o, next = s.to.SendPrepared(p), e.number+1
	}
	if o.OK() {
		h.delivered.Add(int64(p.Messages()))
	}
	return o, next
}

// missed returns the next of what s has not got, nil if there is nothing, or s is
// not behind any more.
func (g *group) missed(s *Subscription) *batch {
	if n := g.lost(s); n > 0 {
		if g.topic.opts.Slow == Disconnect {
			g.evict(s, tooSlow)
			return nil
		}
		g.drop(s, n)
		s.cursor += uint64(n)
	}
	t, l := g.topic, s.lag
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.cursor < l.until {
		return l.kept.read(s.cursor).below(l.until)
	}
	if l.until > 0 {
		s.cursor, l.kept, l.until = g.cursor, nil, 0 // what is between was dropped
	}
	b := t.log.segs.read(s.cursor)
	if s.cursor >= g.cursor || b == nil {
		g.leaveLocked(s, max(s.cursor, g.cursor))
		t.trimLocked()
		return nil
	}
	return b
}

// lost returns how many messages s cannot get any more, because history has moved on
// while it was played back.
func (g *group) lost(s *Subscription) int {
	t := g.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	oldest := min(t.log.oldest(), g.cursor)
	if s.lag.until > 0 || s.cursor >= oldest || t.opts.Slow == Conflate {
		return 0
	}
	return int(oldest - s.cursor)
}

const tooSlow = "too slow: the backlog is full"

// watch sees to it that s, which is behind, does not lag behind by more than its
// topic allows, when b has been handed out.
func (g *group) watch(s *Subscription, b handout) {
	l := s.lag
	if l.until > 0 {
		g.drop(s, int(b.next-b.cursor))
		return
	}
	limit := b.limit
	if l.replay {
		limit = b.oldest
	}
	if s.cursor >= limit {
		return
	}
	switch t := g.topic; t.opts.Slow {
	case Disconnect:
		g.evict(s, tooSlow)
	case DropNewest:
		t.mu.Lock()
		from, _ := t.log.segs.find(s.cursor)
		l.until = t.fitLocked(s.cursor)
		to, _ := t.log.segs.find(l.until)
		l.kept = slices.Clone(t.log.segs[from:min(to+1, len(t.log.segs))])
		t.mu.Unlock()
		g.drop(s, int(b.next-l.until))
	case DropOldest, Conflate:
		g.drop(s, int(limit-s.cursor))
		s.cursor = limit
	}
}

// fitLocked returns how far a subscriber that goes on with number may lag behind.
func (t *Topic) fitLocked(number uint64) uint64 {
	l := &t.log
	end := l.endBefore(number) + uint64(t.opts.Limit.Bytes)
	most := l.numberAt(l.segs.search(func(e *entry) bool { return e.end > end }))
	return min(most, number+uint64(t.opts.Limit.Messages))
}

// drop counts messages that s does not get.
func (g *group) drop(s *Subscription, messages int) {
	t := g.topic
	t.mu.Lock()
	l := g.lagLocked(s)
	t.mu.Unlock()
	l.dropped.Add(int64(messages))
	t.dropped.Add(int64(messages))
	t.hub.dropped.Add(int64(messages))
	if f := t.hub.opts.OnDrop; f != nil {
		f(s, messages)
	}
}

// evict ends a subscriber that is behind and does not take what it is sent.
func (g *group) evict(s *Subscription, reason string) {
	t := g.topic
	t.mu.Lock()
	g.leaveLocked(s, never)
	t.mu.Unlock()
	t.evicted.Add(1)
	t.hub.evicted.Add(1)
	s.to.Close(wsproto.TryAgainLater, reason)
}
