package hub

import "fmt"

// Unsubscribe takes the member out of a topic or pattern: an event in the topic's order, like
// [Subscription.Unsubscribe]. When it returns, the connection has got all that was published
// before, and nothing follows; only for a slow connection the rest may follow, see
// UnsubscribeThen. Unsubscribe waits for a delivery that is under way, which slow subscribers do
// not hold up, and, with a [Broker] that is a [Syncer], for messages that are on their way to
// this node. The error wraps ErrNotSubscribed or ErrForbidden.
func (m *Member) Unsubscribe(name string) error { return m.UnsubscribeThen(name, func() {}) }

// UnsubscribeThen is Unsubscribe, and calls then when the connection has got all that was
// published before, or when Options.EndTimeout is over. then is called before UnsubscribeThen
// returns, or, if the connection is slow, from another goroutine. It is not called if there is
// an error. A new subscription to the same topic ends the wait: the rest is dropped.
func (m *Member) UnsubscribeThen(name string, then func()) error {
	if IsUserTopic(name) {
		return fmt.Errorf("%w: %q", ErrForbidden, name)
	}
	if m.hub.node != nil && m.Subscription(name) != nil {
		m.hub.node.sync()
	}
	f := &completion{then: then, blocks: true}
	f.left.Store(3)
	m.mu.Lock()
	s, events := m.dropLocked(name), m.dropLocked(presenceTopicName(name))
	m.mu.Unlock()
	if s == nil {
		return fmt.Errorf("%w: %q", ErrNotSubscribed, name)
	}
	for _, s := range [...]*Subscription{events, s} {
		if s == nil {
			f.left.Add(-1)
			continue
		}
		m.leave(s, f, true)
		s.deliverRestNow()
	}
	f.ended(nil, false)
	return nil
}

// End ends the member's subscription to a topic or pattern on behalf of the server, and reports
// whether there was one: it is [Hub.DisconnectIf] for a single member, without a search among the
// topic's subscribers. A subscription that is under way is not ended. With a [Broker], End does not
// wait for messages that are on their way to this node. Like that of DisconnectIf, the end of the
// subscription to the user's own topic closes the connection.
func (m *Member) End(name string, why CloseReason) bool {
	s := m.Subscription(name)
	if s != nil {
		m.end(s, &closeAction{why})
	}
	return s != nil
}

// end ends a subscription on behalf of the server. The end of the subscription to the user's
// topic closes the connection.
func (m *Member) end(s *Subscription, how *closeAction) {
	to, lives := m.to.(UnsubscribeHandler)
	if !lives || IsUserTopic(s.Topic()) && !s.shard.topic.presenceTopic {
		m.endAll(how)
		return
	}
	name := s.Topic()
	f := &completion{then: func() { to.OnUnsubscribe(name, how.CloseReason) }, blocks: true}
	f.left.Store(2)
	m.mu.Lock()
	var events *Subscription
	there, joining := m.subLocked(name) == s, false
	if there {
		m.dropLocked(name)
		events = m.dropLocked(presenceTopicName(name))
	}
	for j := m.joining; j != nil; j = j.next {
		if j.sub == s && j.ended == nil {
			j.ended, joining = f, true // joined ends the presence events
		}
	}
	m.mu.Unlock()
	switch {
	case events != nil:
		m.leave(events, f, false)
	case there:
		f.ended(nil, false)
	case !joining:
		return
	}
	m.leave(s, f, false)
}

// Leave ends all subscriptions of the member for good, as [Subscription.Unsubscribe] does for
// one. The caller must call it when the connection has ended.
func (m *Member) Leave() {
	m.mu.Lock()
	subs := m.subs
	m.left, m.subs = true, nil
	if !m.away {
		m.away = true
		m.hub.present.Add(-1)
	}
	m.mu.Unlock()
	for _, s := range subs {
		m.leave(s, nil, true)
	}
}

// Left reports whether the member has left for good: Leave or Disconnect has been called, or the
// server has ended its connection otherwise.
func (m *Member) Left() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.left
}

// Disconnect closes the connection when it has got what was published before in all its topics; a
// slow one within the limits of its topics and Options.EndTimeout. Meanwhile the member can
// neither subscribe nor publish. Disconnect does not wait. A second call does nothing.
func (m *Member) Disconnect(why CloseReason) { m.endAll(&closeAction{why}) }

// endAll closes the connection when it has got what was published before in all its topics,
// including those that it is leaving. A second call does nothing.
func (m *Member) endAll(how *closeAction) {
	m.mu.Lock()
	subs, left := m.subs, m.left
	m.left, m.subs, m.wild = true, nil, 0
	m.mu.Unlock()
	if left {
		return
	}
	if d := m.drain.Load(); d != nil {
		subs = append(subs, d.allLeaving()...)
	}
	f := &completion{then: func() { m.Close(how.CloseReason) }}
	f.left.Store(int32(len(subs)) + 1)
	for _, s := range subs {
		m.leave(s, f, false)
	}
	f.ended(nil, false)
}

// leave has a subscription leave its topic. The caller has removed it from subs.
func (m *Member) leave(s *Subscription, how endAction, own bool) {
	if !s.leave(how, own) {
		m.draining().addLeaving(s)
	}
}
