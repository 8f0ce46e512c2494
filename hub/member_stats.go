package hub

// MemberStats describe a member at a moment.
type MemberStats struct {
	ID            string `json:"id"`
	User          string `json:"user,omitempty"`
	Subscriptions int    `json:"subscriptions"` // with those to presence events, without that to the user's topic
	Lagging       int    `json:"lagging"`       // subscriptions that wait until the connection has taken what was sent
	Backlog       int64  `json:"backlog"`       // bytes that they have yet to get, as they count for Options.MaxBacklog
}

// Stats describes the member.
func (m *Member) Stats() MemberStats {
	s := MemberStats{ID: m.ID(), User: m.user}
	m.mu.Lock()
	s.Subscriptions = len(m.subs)
	if m.user != "" && m.subLocked(UserTopic(m.user)) != nil {
		s.Subscriptions--
	}
	m.mu.Unlock()
	if d := m.drain.Load(); d != nil {
		s.Backlog = d.backlog.Load()
		d.mu.Lock()
		s.Lagging = len(d.waiting) - d.stale
		d.mu.Unlock()
	}
	return s
}

// SubscriptionStats describe a subscription of a member at a moment.
type SubscriptionStats struct {
	Topic   string `json:"topic"`
	Lagging bool   `json:"lagging,omitempty"` // it has not taken all messages yet
	Dropped int64  `json:"dropped,omitempty"` // messages that it did not get: see Subscription.Dropped
}

// SubscriptionStats describe up to limit of the member's subscriptions, with that to the user's own topic and without those to
// presence events. They are in the order of their names, from the first after the given one on.
func (m *Member) SubscriptionStats(after string, limit int) []SubscriptionStats {
	m.mu.Lock()
	i, found := m.findLocked(after)
	if found {
		i++
	}
	var subs []*Subscription
	for ; i < len(m.subs) && len(subs) < limit; i++ {
		if s := m.subs[i]; !s.shard.topic.presenceTopic {
			subs = append(subs, s)
		}
	}
	m.mu.Unlock()
	all := make([]SubscriptionStats, len(subs))
	for i, s := range subs {
		all[i] = s.stats()
	}
	return all
}

func (s *Subscription) stats() SubscriptionStats {
	t := s.shard.topic
	t.mu.Lock() // lag is set under it
	defer t.mu.Unlock()
	stats := SubscriptionStats{Topic: t.name}
	if l := s.lag; l != nil {
		stats.Lagging, stats.Dropped = l.behind, l.dropped.Load()
	}
	return stats
}

// UserMembers returns up to limit members that are connections of the user.
func (h *Hub) UserMembers(user string, limit int) (all []*Member) {
	t := h.lookup(UserTopic(user))
	if t == nil {
		return nil
	}
	for _, s := range t.subscribers() {
		if m, ok := s.to.(*Member); ok && len(all) < limit {
			all = append(all, m)
		}
	}
	return all
}
