package hub

import (
	"fmt"
	"slices"
)

// Subscribe adds the member to a topic, or to those that match a pattern, as [Hub.Subscribe]
// does. Presence events are a subscription too, and count for Options.MaxSubscriptions. A
// subscription to the same topic that is still ending ends at once: its backlog is dropped. The
// error wraps ErrSubscribed, ErrForbidden, ErrTooMany, ErrNoPresence or ErrLeft, or is one of
// Hub.Subscribe.
func (m *Member) Subscribe(name string, o SubscribeOptions) (*Subscription, Position, error) {
	if IsUserTopic(name) {
		return nil, Position{}, fmt.Errorf("%w: %q", ErrForbidden, name)
	}
	more := 1
	if o.Presence != nil {
		more = 2
	}
	lingering := 0
	if d := m.drain.Load(); d != nil {
		lingering = d.abandonLeaving(name)
	}
	j := &joining{name: name, sub: new(Subscription), count: more}
	m.mu.Lock()
	err := m.beginLocked(j, lingering)
	m.mu.Unlock()
	if err != nil {
		return nil, Position{}, err
	}
	at, err := m.hub.Subscribe(name, j.sub, m, o)
	if err == nil && o.Presence != nil {
		err = m.subscribePresence(j, o)
	}
	if err = m.joined(j, err); err != nil {
		return nil, at, err
	}
	return j.sub, at, nil
}

// beginLocked adds j to the subscriptions under way, unless the member must not have it.
func (m *Member) beginLocked(j *joining, lingering int) error {
	has, wild := len(m.subs)+lingering, int(m.wild)
	if m.user != "" {
		has-- // the user's own topic
	}
	for other := m.joining; other != nil; other = other.next {
		if other.name == j.name {
			return fmt.Errorf("%w: %q", ErrSubscribed, j.name)
		}
		has += other.count
		if IsPattern(other.name) {
			wild++
		}
	}
	switch most, mostWild := m.hub.opts.MaxSubscriptions, m.hub.opts.MaxPatterns; {
	case m.left:
		return ErrLeft
	case m.subLocked(j.name) != nil:
		return fmt.Errorf("%w: %q", ErrSubscribed, j.name)
	case has+j.count > share*m.hub.subscriptionsFree():
		return fmt.Errorf("%w: the server has almost reached its limit", ErrTooMany)
	case has+j.count > most:
		return fmt.Errorf("%w: the limit for a connection is %d; unsubscribe from some, or use a pattern", ErrTooMany, most)
	case IsPattern(j.name) && wild >= mostWild:
		return fmt.Errorf("%w: the limit for a connection is %d patterns; unsubscribe from some, or use one that matches more", ErrTooMany, mostWild)
	}
	j.next, m.joining = m.joining, j
	return nil
}

// joined completes what beginLocked began: either the member has the subscription, or joined
// returns an error and the subscription has ended.
func (m *Member) joined(j *joining, err error) error {
	m.mu.Lock()
	for at := &m.joining; *at != nil; at = &(*at).next {
		if *at == j {
			*at = j.next
			break
		}
	}
	if err == nil && m.left {
		err = ErrLeft
	}
	if err == nil && j.ended == nil {
		m.addLocked(j.sub)
		if j.events != nil {
			m.addLocked(j.events)
		}
	}
	ended := j.ended
	m.mu.Unlock()
	switch {
	case err != nil:
		j.sub.cancel() // does nothing if it has not begun
		if j.events != nil {
			j.events.cancel()
		}
	case ended != nil && j.events != nil:
		m.leave(j.events, ended, false)
	case ended != nil:
		ended.ended(nil, false)
	}
	return err
}

// subscribePresence subscribes the member to the presence events of j's topic.
func (m *Member) subscribePresence(j *joining, o SubscribeOptions) error {
	p := j.sub.shard.topic.presence
	if p == nil {
		return fmt.Errorf("%w %q", ErrNoPresence, j.name)
	}
	events := new(Subscription)
	all, err := p.subscribe(events, m, o)
	if err == nil {
		*o.Presence, j.events = all, events
	}
	return err
}

// abandonLeaving drops the backlogs of the subscriptions that are leaving the named topic, so
// that none of it arrives after the member has subscribed to that topic again. It returns how
// many other subscriptions are leaving.
func (d *drain) abandonLeaving(name string) (others int) {
	d.mu.Lock()
	var all []*Subscription
	if d.leavingCount > 0 {
		all = slices.Concat(d.leaving[name], d.leaving[presenceTopicName(name)])
	}
	others = d.leavingCount - len(all)
	d.mu.Unlock()
	for _, s := range all {
		s.abandonRest()
	}
	return others
}
