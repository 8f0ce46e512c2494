package hub

import "errors"

// Publish sends m to the subscribers of the topic. If the hub has a [Broker], it returns
// when that has given the message its position, and its error wraps [ErrLinkDown] if the
// message has not been published, or [ErrUnacknowledged] if that is not known.
func (h *Hub) Publish(name string, m Message) (Receipt, error) {
	return h.publishBy(maker{}, name, m)
}

// PublishAs is Publish on behalf of an owner, whose topic it is if it begins with that:
// see Options.MaxTopicsPerOwner.
func (h *Hub) PublishAs(owner, name string, m Message) (Receipt, error) {
	return h.publishBy(maker{owner: owner}, name, m)
}

func (h *Hub) publishBy(by maker, name string, m Message) (Receipt, error) {
	if err := CheckName(name); err != nil {
		return Receipt{}, err
	}
	if h.link != nil {
		return h.link.publish(by, name, m)
	}
	t, err := h.topic(name, by)
	if err != nil {
		return Receipt{}, err
	}
	return h.publish(by, t, m)
}

// PublishMatching publishes m to each topic that exists, at this node, and whose name
// matches the pattern, and returns the receipts by name. If there is an error of the
// broker, the receipts are those of the topics before it.
func (h *Hub) PublishMatching(pattern string, m Message) (map[string]Receipt, error) {
	if err := CheckPattern(pattern); err != nil {
		return nil, err
	}
	var all []*Topic
	h.mu.RLock()
	for name, t := range h.topics {
		if !t.pattern && !IsUserTopic(name) && matches(pattern, name) {
			all = append(all, t)
		}
	}
	h.mu.RUnlock()
	receipts := make(map[string]Receipt, len(all))
	for _, t := range all {
		rc, err := h.send(maker{}, t, m)
		if errors.Is(err, ErrFull) {
			continue // it has ended meanwhile
		}
		if err != nil {
			return receipts, err
		}
		receipts[t.name] = rc
	}
	return receipts, nil
}

// send publishes m to a topic that there is, or was.
func (h *Hub) send(by maker, t *Topic, m Message) (Receipt, error) {
	if h.link != nil {
		return h.link.publish(by, t.name, m)
	}
	return h.publish(by, t, m)
}

// publish sends m to the topic, or to the one that has that name by now.
func (h *Hub) publish(by maker, t *Topic, m Message) (rc Receipt, err error) {
	if m.Prepared == nil || m.Messages() != 1 {
		panic("hub: a Message must have one prepared message")
	}
	h.published.Add(1)
	for {
		rc, outcome := t.publish(m, h.patternsAt.Load())
		switch outcome {
		case publishedIdle:
			h.drop(t)
			return rc, nil
		case published:
			return rc, nil
		case stale:
			h.feed(t)
		case ended:
			if t, err = h.topic(t.name, by); err != nil {
				return rc, err
			}
		}
	}
}

// feed has t know the patterns that match it.
func (h *Hub) feed(t *Topic) {
	var feeds []*Topic
	h.mu.RLock()
	at := h.patternsAt.Load()
	if !IsUserTopic(t.name) {
		h.patterns.match(t.name, func(p *Topic) bool {
			feeds = append(feeds, p)
			return true
		})
	}
	h.mu.RUnlock()
	t.mu.Lock()
	if at > t.feedsAt { // else another knew better
		t.feeds, t.feedsAt = feeds, at
	}
	t.mu.Unlock()
}
