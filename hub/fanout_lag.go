package hub

import "github.com/fanfare-ws/fanfare/netpoll"

// maxRefused is how often in a row a subscriber may refuse a message although it has drained.
// After that it will never take the message: other writers may have been faster, but not so
// often.
const maxRefused = 100

// fallBehind makes s wait until it has drained, and then continue at seq.
func (sh *shard) fallBehind(s *Subscription, seq uint64, b passBatch) {
	t := sh.topic
	t.mu.Lock()
	if s.lag == nil {
		s.lag = new(lag)
	}
	s.lag.behind, s.cursor = true, seq
	s.lag.backlog.at = t.log.endBefore(seq)
	t.laggards++
	b.limit = t.limitLocked(b.next)
	t.mu.Unlock()
	sh.watch(s, b)
	if s.behind() {
		s.to.WhenDrained(s)
	}
}

// leaveLocked ends the lag of s, which is behind: from seq on it gets messages with the others.
func (sh *shard) leaveLocked(s *Subscription, seq uint64) {
	s.lag.behind, s.cursor, s.lag.replay = false, seq, false
	s.continueLocked(seq, s.lag.backlog.at)
	if s.lag.dropped.Load() == 0 {
		s.lag = nil
	}
	sh.topic.laggards--
}

// never is a sequence number that no message has.
const never = ^uint64(0)

// catchUp delivers the next part of its backlog to a subscriber that has drained.
func (sh *shard) catchUp(s *Subscription) {
	if s.gone() {
		sh.deliverRest(s)
		return
	}
	if !s.behind() {
		return
	}
	b, lost := sh.missed(s)
	if lost > 0 && sh.topic.opts.Slow == Disconnect {
		sh.evict(s, tooSlow)
		return
	}
	sh.count(s, lost)
	if b == nil {
		return
	}
	o, next := sh.offer(s, b)
	if o.OK() {
		sh.count(s, b.missing(s.cursor, next))
		s.cursor, s.lag.refused = next, 0
		s.reduceBacklog(b.endBefore(next))
	}
	switch o {
	case netpoll.Sent:
		sh.mu.Lock()
		sh.due = append(sh.due, s) // after the other subscriptions that are due
		sh.mu.Unlock()
	case netpoll.Full:
		if !sharesBacklog(s.to) {
			s.lag.refused++
		}
		if s.lag.refused == maxRefused {
			sh.evict(s, "a message is larger than what the connection may have pending")
			return
		}
		fallthrough
	case netpoll.Queued:
		s.to.WhenDrained(s)
	case netpoll.Closed:
		sh.topic.mu.Lock()
		sh.leaveLocked(s, never)
		sh.topic.mu.Unlock()
	}
}

// offer sends to s the part of b that it lacks, or only the first message of that if it refuses
// the part as a whole. next is the sequence number at which s continues if it took what was
// sent.
func (sh *shard) offer(s *Subscription, b *batch) (o netpoll.Outcome, next uint64) {
	h := sh.topic.hub
	part, messages := b.part(&h.encodings, s)
	if part == nil {
		return netpoll.Sent, b.next
	}
	o, next = s.to.Send(part), b.next
	if o == netpoll.Full && messages > 1 {
		part, next = b.firstFor(&h.encodings, s)
		o, messages = s.to.Send(part), 1
	}
	if o.OK() {
		h.delivered.Add(int64(messages))
	}
	return o, next
}

// missed returns the next part of the backlog of s. It is nil if there is none; then s is not
// behind any more. lost is how many messages before that part are no longer held: they were
// superseded, or history was trimmed while it was being replayed. If messages are lost and the
// topic's policy is Disconnect, missed leaves s as it is.
func (sh *shard) missed(s *Subscription) (b *batch, lost int) {
	t, l := sh.topic, s.lag
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.gone() { // it must not get messages after its end
		return nil, 0
	}
	if k := l.kept; k != nil && s.cursor < k.until {
		return k.read(s.cursor), 0
	} else if k != nil {
		s.continueLocked(sh.cursor, sh.at) // the messages between were dropped
	}
	if oldest := min(t.log.oldest(), sh.cursor); s.cursor < oldest {
		lost = int(oldest - s.cursor)
		if t.opts.Slow == Disconnect {
			return nil, lost
		}
		s.cursor = oldest
		s.reduceBacklog(t.log.endBefore(oldest))
	}
	if s.cursor < sh.cursor {
		return t.log.segs.read(s.cursor), lost // never nil: the last message of a log is never superseded
	}
	sh.leaveLocked(s, s.cursor)
	t.trimLocked()
	return nil, lost
}

const tooSlow = "too slow: the backlog is full"

// watch enforces the topic's limit on s, which is behind, after b has been delivered to the
// subscribers that are up to date.
func (sh *shard) watch(s *Subscription, b passBatch) {
	l := s.lag
	switch {
	case l.kept != nil:
		sh.count(s, int(b.next-b.cursor))
		return
	case s.gone(): // the log may have been trimmed beyond its position
		return
	case l.replay || s.cursor > b.next:
	case sh.exceedsBacklog(s, b.end):
		sh.enforceBacklog(s, b)
		return
	case sh.topic.opts.Slow == DropNewest && s.cursor < b.oldest: // the messages that it would keep have been shed
		sh.count(s, int(b.next-s.cursor))
		sh.dropBacklog(s, b.next, b.end)
		return
	}
	limit := max(b.limit, b.oldest)
	if l.replay {
		limit = b.oldest
	}
	if s.cursor >= limit {
		return
	}
	switch slow := sh.topic.opts.Slow; {
	case slow == Disconnect:
		sh.evict(s, tooSlow)
	case slow == DropNewest && !l.replay:
		if sh.pin(s, never) {
			sh.count(s, int(b.next-l.kept.until))
		}
	default:
		sh.count(s, int(limit-s.cursor))
		s.cursor = limit
		sh.topic.mu.Lock()
		s.reduceBacklog(sh.topic.log.endBefore(limit))
		sh.topic.mu.Unlock()
	}
}

// enforceBacklog applies the topic's policy to s, whose connection has too large a backlog. With
// DropNewest s keeps what has not been counted as dropped.
func (sh *shard) enforceBacklog(s *Subscription, b passBatch) {
	switch from := max(s.cursor, b.cursor); sh.topic.opts.Slow {
	case Disconnect:
		sh.evict(s, "too slow: the backlogs of the connection's topics are full")
	case DropNewest:
		if sh.pin(s, from) {
			sh.count(s, int(b.next-from))
		}
	default:
		sh.count(s, int(b.next-s.cursor))
		sh.dropBacklog(s, b.next, b.end)
	}
}

// dropBacklog drops what s has yet to get. Until s has drained it gets nothing, and messages from
// seq on count as dropped too.
func (sh *shard) dropBacklog(s *Subscription, seq, end uint64) {
	t := sh.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	s.continueLocked(seq, end)
	if !s.gone() { // else t.pinned does not count it
		t.pinned++
		s.lag.kept = &kept{until: seq}
	}
}

// continueLocked lets s continue at another place of the log, with nothing kept for it.
func (s *Subscription) continueLocked(seq, end uint64) {
	if s.lag.kept != nil {
		s.shard.topic.pinned--
		s.dropKept()
	}
	s.cursor = seq
	s.reduceBacklog(end)
	s.clearBacklog()
}

// unpinAll drops the pinned backlogs, since all topics together hold too much. Their subscribers
// get nothing until they have drained. It is called within a pass; what was delivered after the
// pinned messages has been counted.
func (sh *shard) unpinAll() {
	var all []*Subscription
	sh.topic.mu.Lock()
	seq, end := sh.cursor, sh.at
	sh.topic.mu.Unlock()
	sh.mu.Lock()
	for _, s := range sh.list {
		if !s.gone() && s.behind() && s.lag.kept != nil && s.cursor < s.lag.kept.until {
			all = append(all, s)
		}
	}
	sh.mu.Unlock()
	for _, s := range all {
		sh.count(s, int(s.lag.kept.until-s.cursor))
		sh.dropBacklog(s, seq, end)
	}
}

// keep keeps a part of the log for s. The caller holds Topic.mu.
func (s *Subscription) keep(k *kept) {
	s.lag.kept = k
	s.shard.topic.log.keep(k)
}

// dropKept releases the part of the log that is kept for s. The caller holds Topic.mu.
func (s *Subscription) dropKept() {
	if k := s.lag.kept; k != nil {
		s.lag.kept = nil
		s.shard.topic.log.release(k)
	}
}

// pin keeps for s the messages below a sequence number, up to the topic's limit, no matter what
// the log drops. It does nothing if s has left, and returns false.
func (sh *shard) pin(s *Subscription, below uint64) (ok bool) {
	t := sh.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.gone() {
		return false
	}
	until := min(below, t.fitLocked(s.cursor))
	end := t.log.endBefore(until)
	s.keep(&kept{segments: t.log.segs.between(s.cursor, until), until: until})
	t.pinned++
	sh.exceedsBacklog(s, end)
	return true
}

// fitLocked returns the sequence number up to which the topic's limit lets a subscriber at seq
// lag behind.
func (t *Topic) fitLocked(seq uint64) uint64 {
	l := &t.log
	end := l.endBefore(seq) + uint64(t.opts.Limit.Bytes)
	most := l.seqAt(l.segs.search(func(e *entry) bool { return e.end > end }))
	return min(most, seq+uint64(t.opts.Limit.Messages))
}

// count counts messages that s does not get, and reports them to its DropHandler.
func (sh *shard) count(s *Subscription, messages int) {
	if messages == 0 {
		return
	}
	t := sh.topic
	if s.lag == nil { // only the pass changes it
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

// evict ends the subscription of a subscriber that is behind and too slow, and closes the
// subscriber, unless the subscription has left.
func (sh *shard) evict(s *Subscription, reason string) {
	t := sh.topic
	t.mu.Lock()
	gone := s.gone()
	if !gone {
		sh.leaveLocked(s, never)
	}
	t.mu.Unlock()
	if !gone {
		sh.closeSlow(s, reason)
	}
}

// closeSlow closes a subscriber that is too slow, and counts it.
func (sh *shard) closeSlow(s *Subscription, reason string) {
	sh.topic.evicted.Add(1)
	sh.topic.hub.evicted.Add(1)
	s.to.Close(CloseReason{Cause: TooSlow, Text: reason})
}
