package hub

import "github.com/fanfare-ws/fanfare/netpoll"

// fallBehind makes s wait until it has drained, and then continue at seq.
func (sh *shard) fallBehind(s *Subscription, seq uint64, b passBatch) {
	t := sh.topic
	t.mu.Lock()
	if s.lag == nil {
		s.lag = new(lag)
	}
	s.lag.behind, s.cursor = true, seq
	s.lag.backlog.at = t.log.endBefore(seq)
	t.lagsLocked(1)
	b.limit = t.limitLocked(b.next)
	t.mu.Unlock()
	sh.watch(s, b)
	if s.behind() {
		s.to.WhenDrained(s)
	}
}

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
		sh.dueLocked(s) // after the other subscriptions that are due
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
