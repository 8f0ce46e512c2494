package hub

import (
	"bytes"
	"fmt"
)

// Unsubscribe takes the subscriber out of its topic: an event in the topic's order. A message
// that is published after it neither reaches the subscriber nor counts it as a receiver. A
// message that was published before it is delivered, perhaps after Unsubscribe has returned; to
// a slow subscriber within its topic's limit and Options.EndTimeout. Nothing more is delivered
// if the subscriber is closed, or the subscription is paused. With a [Broker] a message counts
// as published when it has come back from the broker.
//
// Unsubscribe does not wait, so it may be called during a delivery. A second call does nothing.
func (s *Subscription) Unsubscribe() { s.leave(nil, true) }

// Disconnect is [Hub.Disconnect] for this subscriber alone, whatever its protocol makes of the end
// of one subscription: the subscriber is closed when it has got what was published before; a
// member in all its topics. It does not wait. It reports whether the subscription has begun; if it
// has not, nothing happens.
func (s *Subscription) Disconnect(why CloseReason) bool {
	if s.shard == nil {
		return false
	}
	how := &closeAction{why}
	if m, ok := s.to.(*Member); ok {
		m.endAll(how)
	} else {
		s.leave(how, false)
	}
	return true
}

// end ends the subscription on behalf of the server.
func (s *Subscription) end(how *closeAction) {
	if m, ok := s.to.(*Member); ok {
		m.end(s, how)
	} else {
		s.leave(how, false)
	}
}

// Resume continues a subscription that began paused. A second call does nothing.
func (s *Subscription) Resume() {
	if s.flags.And(^uint32(flagPaused))&flagPaused != 0 {
		s.Schedule()
		if m, ok := s.to.(*Member); ok {
			m.resumed(s)
		}
	}
}

// Publish sends m to all subscribers of the topic, as [Hub.Publish] does. The error wraps
// ErrNotSubscribed if the subscription has not begun. For a pattern Publish does nothing; see
// Hub.PublishMatching.
func (s *Subscription) Publish(m Message) (Receipt, error) {
	if s.shard == nil {
		return Receipt{}, fmt.Errorf("%w: the subscription has not begun", ErrNotSubscribed)
	}
	t := s.shard.topic
	if t.pattern {
		return Receipt{}, nil
	}
	if t.hub.node != nil {
		return t.hub.await(creatorOf("", s.to), t.name, m)
	}
	m.Data = bytes.Clone(m.Data)
	return t.hub.publish(creatorOf("", s.to), t, m)
}

// Topic returns the name of the topic.
func (s *Subscription) Topic() string { return s.shard.topic.name }

// Subscriber returns the subscriber that was passed to Subscribe, or the *Member.
func (s *Subscription) Subscriber() Subscriber { return s.to }

// Dropped returns the number of messages that the subscriber did not get because of its topic's
// policy.
func (s *Subscription) Dropped() int64 {
	t := s.shard.topic
	t.mu.Lock() // lag is set under it
	defer t.mu.Unlock()
	if s.lag == nil {
		return 0
	}
	return s.lag.dropped.Load()
}

// Schedule is called when the subscriber has drained. It makes a *Subscription a Task.
func (s *Subscription) Schedule() {
	sh := s.shard
	sh.mu.Lock()
	sh.due = append(sh.due, s)
	sh.mu.Unlock()
	sh.task.Schedule()
}
