package hub

import "github.com/fanfare-ws/fanfare/netpoll"

// maxRefused is how often in a row a subscriber may refuse a message although it has
// drained: it will never take it. Others may have been quicker, but not so often.
const maxRefused = 100

// fallBehind has s wait until it has drained, and then go on with number.
func (g *group) fallBehind(s *Subscription, number uint64, b handout) {
	t := g.topic
	t.mu.Lock()
	if s.lag == nil {
		s.lag = new(lag)
	}
	s.lag.behind, s.cursor = true, number
	s.lag.owed.at = t.log.endBefore(number)
	t.laggards++
	b.limit = t.limitLocked(b.next)
	t.mu.Unlock()
	g.watch(s, b)
	if s.behind() {
		s.to.WhenDrained(s)
	}
}

// leaveLocked has s, which is behind, wait for nothing more, and go on with the others
// from number on.
func (g *group) leaveLocked(s *Subscription, number uint64) {
	s.lag.behind, s.cursor, s.lag.replay = false, number, false
	s.goOnLocked(number, s.lag.owed.at)
	if s.lag.dropped.Load() == 0 {
		s.lag = nil
	}
	g.topic.laggards--
}

// never is a number that no message has.
const never = ^uint64(0)

// catchUp gives a subscriber that has drained the next of what it has not got.
func (g *group) catchUp(s *Subscription) {
	if s.gone() {
		g.seeOff(s)
		return
	}
	if !s.behind() {
		return
	}
	b, lost := g.missed(s)
	if lost > 0 && g.topic.opts.Slow == Disconnect {
		g.evict(s, tooSlow)
		return
	}
	g.count(s, lost)
	if b == nil {
		return
	}
	o, next := g.offer(s, b)
	if o.OK() {
		g.count(s, b.missing(s.cursor, next))
		s.cursor, s.lag.refused = next, 0
		s.paid(b.endBefore(next))
	}
	switch o {
	case netpoll.Sent:
		g.mu.Lock()
		g.due = append(g.due, s) // after the others
		g.mu.Unlock()
	case netpoll.Full:
		if !crowded(s.to) {
			s.lag.refused++
		}
		if s.lag.refused == maxRefused {
			g.evict(s, "a message is larger than what the connection may have pending")
			return
		}
		fallthrough
	case netpoll.Queued:
		s.to.WhenDrained(s)
	case netpoll.Closed:
		g.topic.mu.Lock()
		g.leaveLocked(s, never)
		g.topic.mu.Unlock()
	}
}

// offer hands s what it lacks of b, or, if that is too much at a time, the first
// message. next is where it goes on if it took it.
func (g *group) offer(s *Subscription, b *batch) (o netpoll.Outcome, next uint64) {
	h := g.topic.hub
	part, messages := b.part(h, s)
	if part == nil {
		return netpoll.Sent, b.next
	}
	o, next = s.to.Send(part), b.next
	if o == netpoll.Full && messages > 1 {
		part, next = b.firstFor(h, s)
		o, messages = s.to.Send(part), 1
	}
	if o.OK() {
		h.delivered.Add(int64(messages))
	}
	return o, next
}

// missed returns the next of what s has not got: nil if there is nothing, and then s is
// not behind any more. lost is how many messages before that are held no more: they were
// superseded, or history has moved on while it was played back. It may not lose any if
// its topic disconnects: then s is left as it is.
func (g *group) missed(s *Subscription) (b *batch, lost int) {
	t, l := g.topic, s.lag
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.gone() { // what comes after that is not for it
		return nil, 0
	}
	if k := l.kept; k != nil && s.cursor < k.until {
		return k.read(s.cursor), 0
	} else if k != nil {
		s.goOnLocked(g.cursor, g.at) // what is between was dropped
	}
	if oldest := min(t.log.oldest(), g.cursor); s.cursor < oldest {
		lost = int(oldest - s.cursor)
		if t.opts.Slow == Disconnect {
			return nil, lost
		}
		s.cursor = oldest
		s.paid(t.log.endBefore(oldest))
	}
	if s.cursor < g.cursor {
		return t.log.segs.read(s.cursor), lost // of which there is some: the last of a log is never superseded
	}
	g.leaveLocked(s, s.cursor)
	t.trimLocked()
	return nil, lost
}

const tooSlow = "too slow: the backlog is full"

// watch sees to it that s, which is behind, does not lag behind by more than its
// topic allows, when b has been handed out.
func (g *group) watch(s *Subscription, b handout) {
	l := s.lag
	switch {
	case l.kept != nil:
		g.count(s, int(b.next-b.cursor))
		return
	case s.gone(): // the topic may have forgotten where it was
		return
	case l.replay || s.cursor > b.next:
	case g.owes(s, b.end):
		g.relieve(s, b)
		return
	case g.topic.opts.Slow == DropNewest && s.cursor < b.oldest: // what it would keep has been shed
		g.count(s, int(b.next-s.cursor))
		g.lapse(s, b.next, b.end)
		return
	}
	limit := max(b.limit, b.oldest)
	if l.replay {
		limit = b.oldest
	}
	if s.cursor >= limit {
		return
	}
	switch slow := g.topic.opts.Slow; {
	case slow == Disconnect:
		g.evict(s, tooSlow)
	case slow == DropNewest && !l.replay:
		if g.pin(s, never) {
			g.count(s, int(b.next-l.kept.until))
		}
	default:
		g.count(s, int(limit-s.cursor))
		s.cursor = limit
		g.topic.mu.Lock()
		s.paid(g.topic.log.endBefore(limit))
		g.topic.mu.Unlock()
	}
}

// relieve does what the topic's policy says about s, whose connection has too much to get.
// Who drops the newest keeps what it has not been counted for.
func (g *group) relieve(s *Subscription, b handout) {
	switch from := max(s.cursor, b.cursor); g.topic.opts.Slow {
	case Disconnect:
		g.evict(s, "too slow: the backlogs of the connection's topics are full")
	case DropNewest:
		if g.pin(s, from) {
			g.count(s, int(b.next-from))
		}
	default:
		g.count(s, int(b.next-s.cursor))
		g.lapse(s, b.next, b.end)
	}
}

// lapse has s, which waits at a number, get nothing until it has drained.
func (g *group) lapse(s *Subscription, number, end uint64) {
	t := g.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	s.goOnLocked(number, end)
	if !s.gone() { // else it is counted no more
		t.pinned++
		s.lag.kept = &kept{until: number}
	}
}

// goOnLocked has s go on at another place of the log, with nothing kept for it.
func (s *Subscription) goOnLocked(number, end uint64) {
	if s.lag.kept != nil {
		s.group.topic.pinned--
		s.dropKept()
	}
	s.cursor = number
	s.paid(end)
	s.paidAll()
}

// letGo has those for whom something is kept lose it, since all topics hold too much, and get
// nothing until they have drained. It is called within a round; what was handed out after
// what is kept has been counted.
func (g *group) letGo() {
	var all []*Subscription
	g.topic.mu.Lock()
	number, end := g.cursor, g.at
	g.topic.mu.Unlock()
	g.mu.Lock()
	for _, s := range g.list {
		if !s.gone() && s.behind() && s.lag.kept != nil && s.cursor < s.lag.kept.until {
			all = append(all, s)
		}
	}
	g.mu.Unlock()
	for _, s := range all {
		g.count(s, int(s.lag.kept.until-s.cursor))
		g.lapse(s, number, end)
	}
}

// keep has something kept for s. Called under Topic.mu.
func (s *Subscription) keep(k *kept) {
	s.lag.kept = k
	s.group.topic.log.keep(k)
}

// dropKept lets go of what is kept for s.
func (s *Subscription) dropKept() {
	if k := s.lag.kept; k != nil {
		s.lag.kept = nil
		s.group.topic.log.release(k)
	}
}

// pin has s keep what its topic allows it, below a number, whatever becomes of the log,
// unless it has left.
func (g *group) pin(s *Subscription, below uint64) (ok bool) {
	t := g.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.gone() {
		return false
	}
	until := min(below, t.fitLocked(s.cursor))
	end := t.log.endBefore(until)
	s.keep(&kept{segments: t.log.segs.between(s.cursor, until), until: until})
	t.pinned++
	g.owes(s, end)
	return true
}

// fitLocked returns how far a subscriber that goes on with number may lag behind.
func (t *Topic) fitLocked(number uint64) uint64 {
	l := &t.log
	end := l.endBefore(number) + uint64(t.opts.Limit.Bytes)
	most := l.numberAt(l.segs.search(func(e *entry) bool { return e.end > end }))
	return min(most, number+uint64(t.opts.Limit.Messages))
}

// count counts messages that s does not get, if there are any, and tells.
func (g *group) count(s *Subscription, messages int) {
	if messages == 0 {
		return
	}
	t := g.topic
	if s.lag == nil { // which only the walk changes
		t.mu.Lock()
		s.lag = new(lag)
		t.mu.Unlock()
	}
	s.lag.dropped.Add(int64(messages))
	t.dropped.Add(int64(messages))
	t.hub.dropped.Add(int64(messages))
	to := s.to
	if m, ok := to.(*Member); ok {
		to = m.to
	}
	if x, ok := to.(DropHandler); ok {
		x.OnDrop(s.Topic(), int64(messages))
	}
}

// evict ends a subscriber that is behind and does not take what it is sent, unless it
// has left.
func (g *group) evict(s *Subscription, reason string) {
	t := g.topic
	t.mu.Lock()
	gone := s.gone()
	if !gone {
		g.leaveLocked(s, never)
	}
	t.mu.Unlock()
	if !gone {
		g.closeSlow(s, reason)
	}
}

// closeSlow closes a subscriber that is too slow, and counts it.
func (g *group) closeSlow(s *Subscription, reason string) {
	g.topic.evicted.Add(1)
	g.topic.hub.evicted.Add(1)
	s.to.Close(CloseReason{Cause: TooSlow, Text: reason})
}
