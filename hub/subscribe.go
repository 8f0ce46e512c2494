package hub

import "errors"

// Subscribe adds a subscriber to the topic, or, if name is a pattern, to all topics that match
// it, now and later (see [CheckPattern]). s is zeroed memory of the caller, and stands for this
// one subscription. The subscriber gets every message that is published after Subscribe has
// returned, and no message that was published before it began, except those that o asks for. A
// topic begins with its first subscriber or message, and ends when it has neither subscribers
// nor messages.
//
// at is where the subscription begins: after the last message that s does not get. A later
// Subscribe with Start.After resumes after the last message that s got. The error is a
// *TooOldError if messages that o asks for are missing. If the hub has a [Broker], Subscribe may
// wait for it, up to Options.BrokerTimeout each time, and its error wraps [ErrLinkDown] if the
// topic is new here and the broker cannot be reached. The error wraps [ErrNoEncoding] if
// o.Encoding is nil or cannot be used, and ErrTooManyTopics or ErrTooMany if a limit is reached.
func (h *Hub) Subscribe(name string, s *Subscription, to Subscriber, o SubscribeOptions) (at Position, err error) {
	if err := checkSubject(name); err != nil {
		return at, err
	}
	if s.shard != nil {
		return at, errors.New("hub: a Subscription can be used only once")
	}
	id, err := h.encodingOf(to, o.Encoding)
	if err != nil {
		return at, err
	}
	h.Start()
	for {
		t, err := h.begin(name, creatorOf(o.Owner, to), o.Start)
		if err != nil {
			return at, err
		}
		at, ok, err := t.subscribe(s, to, id, o)
		if err != nil && h.node.lostAgain(t, o.Start) {
			continue
		}
		if err != nil {
			h.drop(t) // unless it has other subscribers
		}
		if ok {
			return at, err
		}
	}
}

// begin returns the topic with that name, creating it if necessary. Its log then has the
// messages that o asks for, as far as the broker holds them.
func (h *Hub) begin(name string, by creator, o Start) (*Topic, error) {
	if h.node == nil {
		return h.topic(name, by)
	}
	t, err := h.node.begin(name, by)
	if err != nil {
		return nil, err
	}
	if err := h.node.fetchMissing(t, o); err != nil {
		h.drop(t)
		return nil, err
	}
	return t, nil
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

// resumed resumes the presence events of s's topic together with s.
func (m *Member) resumed(s *Subscription) {
	if s.shard.topic.presence == nil {
		return
	}
	m.mu.Lock()
	events := m.subLocked(presenceTopicName(s.Topic()))
	m.mu.Unlock()
	if events != nil {
		events.Resume()
	}
}
