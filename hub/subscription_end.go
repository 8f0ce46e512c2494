package hub

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// DefaultEndTimeout is the default of Options.EndTimeout.
const DefaultEndTimeout = 5 * time.Second

// leave is the end of a subscription: an event with a place in its topic's order. The
// subscriber gets what was published before it, within the limits of one that is slow, and
// nothing after it.
type leave struct {
	sub     *Subscription
	how     endAction   // nil if nothing is done
	also    []endAction // of those who ended it later; under Topic.mu until it is done
	own     bool        // it is the subscriber's wish
	cut     bool        // it gets nothing more
	inPass  bool        // the round that was under way sees to it
	nothing bool        // it has got all already
	gap     bool        // it was too slow already, and must not get what comes after that
	counted bool        // in Hub.leaving
	until   uint64      // number of the first message that it does not get
	from    uint64      // shard.cursor at that moment
	taken   uint64      // shard.taken
	kept    *kept       // what there was before that, if a walk was under way
	lost    int         // messages that it does not get, though they were before
	timer   *time.Timer
	late    atomic.Bool // it was waited for long enough
}

// endAction is what is done when subscriptions have ended.
type endAction interface {
	// ended is called once for each. If it is later, a fan-out pass calls it, which must
	// not be blocked.
	ended(s *Subscription, later bool)
}

// closeAction closes the subscriber.
type closeAction struct{ CloseReason }

func (c *closeAction) ended(s *Subscription, _ bool) { s.to.Close(c.CloseReason) }

// completion calls then when all of several subscriptions have ended.
type completion struct {
	left   atomic.Int32
	then   func()
	blocks bool // then may
}

func (f *completion) ended(_ *Subscription, later bool) {
	switch {
	case f.left.Add(-1) > 0:
	case later && f.blocks:
		go f.then()
	default:
		f.then()
	}
}

// leave has s leave its topic at this point of its order, and reports whether it has got
// all that was before. If not, rounds of its shard hand it the rest. A second call changes
// nothing, but has how done too, when the first is.
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
	t.reportLocked()
	idle, empty := t.idleLocked(), t.count == 0
	t.mu.Unlock()
	switch {
	case idle:
		t.hub.drop(t)
	case empty && t.pattern:
		t.hub.retire(t)
	}
	return l.proceed()
}

// leaveAgain has how done when s, which has left before, gets nothing any more, and reports
// whether that is so now. It unlocks Topic.mu.
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

// leavingLocked returns how s ends, which has left, and may yet get something.
func (s *Subscription) leavingLocked() *leave {
	if s.lag != nil && s.lag.leave != nil {
		return s.lag.leave
	}
	sh := s.shard // the end of the round under way sees to it
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.left[slices.IndexFunc(sh.left, func(l *leave) bool { return l.sub == s })]
}

// leaveLocked takes a subscription out of t, or has the round under way do that at its end.
// It reports false if it has left before.
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

// detachLocked takes a subscription that has left out of the list, with what it has yet to
// get. Called under Topic.mu and shard.mu, and not within a round.
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

// seen returns the number up to which the walks have come by the subscription.
func (l *leave) seen() uint64 {
	if l.sub.flags.Load()&flagSkipped != 0 {
		return l.from
	}
	return l.taken
}

// keepLocked finds out what the subscription has yet to get, and reports whether there is
// anything. Who leaves before it was told that it has come gets nothing.
func (l *leave) keepLocked(t *Topic) bool {
	s := l.sub
	if l.getsNothing() {
		return false
	}
	if s.behind() && s.lag.kept != nil { // what came later is dropped, and counted up to the last walk
		l.lost = int(l.until - min(l.until, max(l.seen(), s.lag.kept.until)))
		return true
	}
	if s.cursor >= l.until || l.inPass && l.kept == nil { // then there was nothing: see holdLocked
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

// getsNothing reports whether nothing that was before is handed out.
func (l *leave) getsNothing() bool {
	return l.cut || l.own && l.sub.flags.Load()&flagPaused != 0
}

// holdLocked takes a snapshot for a subscription that the round under way owns, if there may
// be something that it has yet to get. One that is not behind has all that is before the walk;
// where one is that is behind only the round knows.
func (l *leave) holdLocked(t *Topic) {
	from := l.from
	if l.sub.behind() {
		from = 0
	}
	if from < l.until && !l.getsNothing() {
		l.kept = t.log.snapshot(from)
	}
}

// countIn has the hub know that there is somebody to wait for.
func (l *leave) countIn() {
	if !l.counted {
		l.counted = true
		l.sub.shard.topic.hub.leaving.add(1)
	}
}

// proceed has the backlog delivered, and reports whether there is none.
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

// ended is called once, when the subscription gets nothing any more.
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

// wait starts the timeout for the subscriber.
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
	if s.done() || s.lag == nil || s.lag.leave == nil { // else the end of the round under way sees to it
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
	case l.late.Load(), s.lag.refused == maxRefused: // it will never take it
		sh.count(s, left)
		sh.release(l)
	case o == netpoll.Sent:
		sh.mu.Lock()
		sh.due = append(sh.due, s) // after the others
		sh.mu.Unlock()
	default:
		l.wait()
		s.to.WhenDrained(s)
		return true
	}
	return false
}

// remaining returns the next part of the backlog of a subscription; nil if time is up.
func (sh *shard) remaining(l *leave) *batch {
	if l.late.Load() {
		return nil
	}
	sh.topic.mu.Lock()
	defer sh.topic.mu.Unlock()
	return l.sub.lag.kept.read(l.sub.cursor)
}

// offerRest offers s, which has left, what it lacks of b.
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

// release ends a subscription that has got everything.
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

// deliverRestNow delivers the backlog of s, which has left, here and now, as far as the
// subscriber takes it. It waits for the pass under way, which slow subscribers do not hold up.
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
