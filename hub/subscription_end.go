package hub

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// leave is the end of a subscription: an event with a place in its topic's order. The
// subscriber gets the messages published before it, within the limits for slow subscribers, and
// none after it.
type leave struct {
	sub     *Subscription
	how     endAction   // runs at the end; nil if there is none
	also    []endAction // of later calls that ended it too; under Topic.mu until it is done
	own     bool        // the subscriber asked for it
	cut     bool        // the subscriber gets nothing more
	inPass  bool        // a pass was under way, and its end detaches the subscription
	nothing bool        // there is no backlog to deliver
	gap     bool        // messages were lost and the policy is Disconnect, so it must not get later ones
	counted bool        // Hub.leaving counts it
	until   uint64      // sequence number of the first message that it does not get
	from    uint64      // shard.cursor at that moment
	taken   uint64      // shard.taken at that moment
	kept    *kept       // the messages held at that moment, if a pass was under way
	lost    int         // earlier messages that it does not get
	timer   *time.Timer
	late    atomic.Bool // Options.EndTimeout has passed
}

// leave ends s at this point of its topic's order, and reports whether s has got all earlier
// messages. If not, passes of its shard deliver the rest. A second call changes nothing, except
// that its action runs too when the first end is done.
func (s *Subscription) leave(how endAction, own bool) (done bool) {
	return (&leave{sub: s, how: how, own: own}).begin()
}

// cancel ends s, whose subscriber was told that it has not begun: it gets nothing more.
func (s *Subscription) cancel() { (&leave{sub: s, cut: true}).begin() }

// begin is Subscription.leave.
func (l *leave) begin() (done bool) {
	s := l.sub
	if s.shard == nil {
		return true
	}
	t := s.shard.topic
	t.mu.Lock()
	if !t.leaveLocked(l) {
		return s.leaveAgain(l.how)
	}
	t.trimLocked()
	empty := t.count == 0
	if dropped := t.unlockAndDrop(); !dropped && empty && t.pattern {
		t.hub.retire(t)
	}
	return l.proceed()
}

// leaveAgain runs how as soon as s, which has left before, is done, and reports whether it is
// done now. It unlocks Topic.mu.
func (s *Subscription) leaveAgain(how endAction) (done bool) {
	done = s.done()
	if !done && how != nil {
		l := s.leavingLocked()
		l.also = append(l.also, how)
	}
	s.shard.topic.mu.Unlock()
	if done && how != nil {
		how.ended(s, false)
	}
	return done
}

// leavingLocked returns the end of s, which has left and is not done.
func (s *Subscription) leavingLocked() *leave {
	if s.lag != nil && s.lag.leave != nil {
		return s.lag.leave
	}
	sh := s.shard // the end of the pass under way will detach it
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.left[slices.IndexFunc(sh.left, func(l *leave) bool { return l.sub == s })]
}

// leaveLocked removes a subscription from t, or leaves that to the end of the pass under way. It
// returns false if the subscription has left before.
func (t *Topic) leaveLocked(l *leave) bool {
	s := l.sub
	if s.flags.Or(flagGone)&flagGone != 0 {
		return false
	}
	t.count--
	t.hub.subscriptions.Add(-1)
	t.presence.leave(s.to)
	l.until = t.log.next
	sh := s.shard
	l.from, l.taken = sh.cursor, sh.taken
	sh.members--
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if l.inPass = sh.inPass; l.inPass {
		l.holdLocked(t)
		l.countIn()
		sh.left = append(sh.left, l)
	} else {
		sh.detachLocked(l)
	}
	return true
}

// detachLocked removes a subscription that has left from the list, and gives it its backlog. The
// caller holds Topic.mu and shard.mu; no pass is under way, or it is ending.
func (sh *shard) detachLocked(l *leave) {
	s, t := l.sub, sh.topic
	sh.removeAtLocked(int(s.slot))
	if s.behind() {
		t.laggards--
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
		sh.due = append(sh.due, s)
	} else {
		l.wait()
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

// countIn adds the end to Hub.leaving, which Shutdown waits for.
func (l *leave) countIn() {
	if !l.counted {
		l.counted = true
		l.sub.shard.topic.hub.leaving.add(1)
	}
}

// proceed schedules the delivery of the backlog, and reports whether there is none.
func (l *leave) proceed() (done bool) {
	s := l.sub
	switch {
	case l.inPass:
		return s.done()
	case l.nothing:
		l.ended(false)
	default:
		s.shard.task.Schedule()
	}
	return l.nothing
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
		sh.due = append(sh.due, s) // after the other subscriptions that are due
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

// caughtUp clears the state of a subscription that is behind. The caller holds Topic.mu.
func (s *Subscription) caughtUp() {
	s.clearBacklog()
	l := s.lag
	if l == nil {
		return
	}
	s.dropKept()
	l.leave, l.behind, l.replay = nil, false, false
	if l.dropped.Load() == 0 {
		s.lag = nil
	}
}

// deliverRestNow delivers the backlog of s, which has left, before it returns, as far as the
// subscriber takes it. It waits for the pass under way, which slow subscribers do not delay.
func (s *Subscription) deliverRestNow() {
	sh := s.shard
	for !s.done() {
		sh.mu.Lock()
		if sh.inPass {
			sh.waitLocked()
			sh.mu.Unlock()
			continue
		}
		sh.inPass = true
		sh.mu.Unlock()
		waits := sh.deliverRest(s)
		if sh.endPass(passBatch{}) {
			sh.task.Schedule()
		}
		if waits {
			return
		}
	}
}

// abandonRest drops the backlog of s, which has left.
func (s *Subscription) abandonRest() {
	for !s.done() {
		t := s.shard.topic
		t.mu.Lock()
		if s.lag != nil && s.lag.leave != nil {
			s.lag.leave.late.Store(true)
		}
		t.mu.Unlock()
		s.deliverRestNow()
	}
}
