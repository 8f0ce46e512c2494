package hub

// Unsubscribe takes the subscriber out of its topic: an event in the topic's order. A message
// that is published after it neither reaches the subscriber nor counts it as a receiver. A
// message that was published before it is delivered, perhaps after Unsubscribe has returned; to
// a slow subscriber within its topic's limit and Options.EndTimeout. Nothing more is delivered
// if the subscriber is closed, or the subscription is paused. With a [Broker] a message counts
// as published when it has come back from the broker.
//
// Unsubscribe does not wait, so it may be called during a delivery. A second call does nothing.
func (s *Subscription) Unsubscribe() { s.leave(nil, true) }

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

// leaveLocked removes a subscription from t, or leaves that to the end of the pass under way. It
// returns false if the subscription has left before.
func (t *Topic) leaveLocked(l *leave) bool {
	s := l.sub
	if s.flags.Or(flagGone)&flagGone != 0 {
		return false
	}
	if !l.own {
		s.flags.Or(flagEnded)
	}
	t.count--
	t.countedLocked()
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
		k := sh.coldLocked()
		k.left = append(k.left, l)
	} else {
		sh.detachLocked(l)
	}
	return true
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
