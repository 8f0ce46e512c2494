package hub

import (
	"slices"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// leavingLocked returns the end of s, which has left and is not done.
func (s *Subscription) leavingLocked() *leave {
	if s.lag != nil && s.lag.leave != nil {
		return s.lag.leave
	}
	sh := s.shard // the end of the pass under way will detach it
	sh.mu.Lock()
	defer sh.mu.Unlock()
	left := sh.cold.left
	return left[slices.IndexFunc(left, func(l *leave) bool { return l.sub == s })]
}

// countIn adds the end to Hub.leaving, which Shutdown waits for.
func (l *leave) countIn() {
	if !l.counted {
		l.counted = true
		l.sub.shard.topic.hub.leaving.add(1)
	}
}

// seen returns the sequence number up to which passes have handled the subscription.
func (l *leave) seen() uint64 {
	if l.sub.flags.Load()&flagSkipped != 0 {
		return l.from
	}
	return l.taken
}

// keepLocked determines the backlog of the subscription, and reports whether there is any. A
// subscriber that leaves before it has called Resume gets nothing.
func (l *leave) keepLocked(t *Topic) bool {
	s := l.sub
	if l.getsNothing() {
		return false
	}
	if s.behind() && s.lag.kept != nil { // later messages are dropped, and counted up to the last pass
		l.lost = int(l.until - min(l.until, max(l.seen(), s.lag.kept.until)))
		return true
	}
	if s.cursor >= l.until || l.inPass && l.kept == nil { // no snapshot, so there was nothing: see holdLocked
		return false
	}
	if l.kept == nil {
		l.kept = t.log.snapshot(s.cursor)
	}
	if oldest := l.kept.first; s.cursor < oldest {
		if t.opts.Slow == Disconnect {
			l.gap = true
			return false
		}
		l.lost = int(oldest - s.cursor)
		s.cursor = oldest
	}
	return true
}

// getsNothing reports whether the subscriber gets not even earlier messages: the end is a cut,
// or the subscriber asked for it before it called Resume.
func (l *leave) getsNothing() bool {
	return l.cut || l.own && l.sub.flags.Load()&flagPaused != 0
}

// holdLocked takes a snapshot for a subscription that the pass under way owns, if it may have a
// backlog. A subscription that is not behind has all messages before the pass. The position of
// one that is behind is known only to the pass, so the snapshot has all that is held.
func (l *leave) holdLocked(t *Topic) {
	from := l.from
	if l.sub.behind() {
		from = 0
	}
	if from < l.until && !l.getsNothing() {
		l.kept = t.log.snapshot(from)
	}
}

// ended runs the actions. It is called once, when the subscription gets nothing any more.
func (l *leave) ended(later bool) {
	if m, ok := l.sub.to.(*Member); ok {
		m.hasLeft(l.sub)
	}
	if l.gap && l.own {
		l.sub.shard.closeSlow(l.sub, tooSlow)
	}
	for _, how := range append(l.also, l.how) {
		if how != nil {
			how.ended(l.sub, later)
		}
	}
	if l.counted {
		l.sub.shard.topic.hub.leaving.add(-1)
	}
}

// wait starts the timeout for the subscriber, unless it is running.
func (l *leave) wait() {
	if l.timer == nil {
		l.timer = time.AfterFunc(l.sub.shard.topic.hub.opts.EndTimeout, func() {
			l.late.Store(true)
			l.sub.Schedule()
		})
	}
}

// detachLocked removes a subscription that has left from the list, and gives it its backlog. The
// caller holds Topic.mu and shard.mu; no pass is under way, or it is ending.
func (sh *shard) detachLocked(l *leave) {
	s, t := l.sub, sh.topic
	sh.removeAtLocked(int(s.slot))
	sh.notSlowLocked(s)
	if s.behind() {
		t.lagsLocked(-1)
		if s.lag.kept != nil {
			t.pinned--
		}
	} else {
		s.cursor = max(s.cursor, l.seen())
	}
	if l.nothing = !l.keepLocked(t); l.nothing {
		s.caughtUp()
		s.flags.Or(flagDone)
		return
	}
	l.countIn()
	if s.lag == nil {
		s.lag = new(lag)
	}
	s.lag.behind, s.lag.leave = true, l
	if s.lag.kept == nil {
		s.keep(l.kept)
	}
	if s.flags.Load()&flagPaused == 0 {
		sh.dueLocked(s)
	} else {
		l.wait()
	}
}

// deliverRest delivers the next part of the backlog to a subscription that has left. It is
// called within a pass, and reports whether the subscriber must drain first.
func (sh *shard) deliverRest(s *Subscription) (waits bool) {
	if s.done() || s.lag == nil || s.lag.leave == nil { // done, or the end of the pass will detach it
		return false
	}
	l, o := s.lag.leave, netpoll.Sent
	if !l.late.Load() && s.flags.Load()&flagPaused != 0 {
		return true
	}
	sh.count(s, l.lost)
	l.lost = 0
	if b := sh.remaining(l); b != nil {
		o = sh.offerRest(s, b)
	} else if !l.late.Load() {
		s.cursor = s.lag.kept.until
	}
	left := int(s.lag.kept.until - min(s.lag.kept.until, s.cursor))
	switch {
	case left == 0, o == netpoll.Closed:
		sh.release(l)
	case l.late.Load(), s.lag.refused == maxRefused: // the subscriber will never take it
		sh.count(s, left)
		sh.release(l)
	case o == netpoll.Sent:
		sh.mu.Lock()
		sh.dueLocked(s) // after the other subscriptions that are due
		sh.mu.Unlock()
	default:
		l.wait()
		s.to.WhenDrained(s)
		return true
	}
	return false
}

// remaining returns the next part of the backlog of a subscription; nil if its timeout has passed.
func (sh *shard) remaining(l *leave) *batch {
	if l.late.Load() {
		return nil
	}
	sh.topic.mu.Lock()
	defer sh.topic.mu.Unlock()
	return l.sub.lag.kept.read(l.sub.cursor)
}

// offerRest sends to s, which has left, the part of b that it lacks.
func (sh *shard) offerRest(s *Subscription, b *batch) netpoll.Outcome {
	o, next := sh.offer(s, b)
	switch {
	case o.OK():
		sh.count(s, b.missing(s.cursor, next))
		s.cursor, s.lag.refused = next, 0
		s.reduceBacklog(b.endBefore(next))
	case o == netpoll.Full && !sharesBacklog(s.to):
		s.lag.refused++
	}
	return o
}

// release ends a subscription whose backlog was delivered or dropped.
func (sh *shard) release(l *leave) {
	if l.timer != nil {
		l.timer.Stop()
	}
	sh.topic.mu.Lock()
	l.sub.caughtUp()
	l.sub.flags.Or(flagDone)
	sh.topic.mu.Unlock()
	l.ended(true)
}
