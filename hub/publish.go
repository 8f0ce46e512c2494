package hub

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
)

// Publish sends m to the subscribers of the topic. With a [Broker] it returns when the broker
// has given the message its position. Its error wraps [ErrLinkDown] if the message has not been
// published, and [ErrUnacknowledged] if that is unknown. A caller that must not wait uses
// PublishAsync. m.Data is copied.
func (h *Hub) Publish(name string, m Message) (Receipt, error) {
	return h.publishBy(creator{}, name, m)
}

// PublishAs is Publish on behalf of an owner, to which the topic belongs if it begins with this
// message: see Options.MaxTopicsPerOwner.
func (h *Hub) PublishAs(owner, name string, m Message) (Receipt, error) {
	return h.publishBy(creator{owner: owner}, name, m)
}

// PublishAsync is Publish without waiting for the broker: done is called once, with the receipt
// or the error. Without a broker it is called before PublishAsync returns, with a broker from
// any goroutine. done must not block. Any number of messages may be in flight. Messages that one
// goroutine publishes to a topic keep their order.
func (h *Hub) PublishAsync(name string, m Message, done func(Receipt, error)) {
	h.publishAsyncBy(creator{}, name, m, done)
}

// Publish sends m to all subscribers of the topic, as [Hub.Publish] does. The error wraps
// ErrNotSubscribed if the subscription has not begun, or the server has ended it, also if the
// subscriber is slow and has yet to get what was published before the end. After Unsubscribe the
// program may still publish. For a pattern Publish does nothing; see Hub.PublishMatching.
func (s *Subscription) Publish(m Message) (Receipt, error) {
	switch {
	case s.shard == nil:
		return Receipt{}, fmt.Errorf("%w: the subscription has not begun", ErrNotSubscribed)
	case s.flags.Load()&flagEnded != 0:
		return Receipt{}, fmt.Errorf("%w: the server has ended the subscription", ErrNotSubscribed)
	}
	return s.publish(m)
}

func (s *Subscription) publish(m Message) (Receipt, error) {
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

// Publish sends msg to the subscribers of the topic, with the member among them unless it is
// msg.Exclude. The member need not be subscribed. The topics of other users are forbidden. The
// error is ErrLeft after [Member.Leave] or [Member.Disconnect].
func (m *Member) Publish(name string, msg Message) (Receipt, error) {
	switch s := m.Subscription(name); {
	case m.Left():
		return Receipt{}, ErrLeft
	case s != nil && !IsPattern(name):
		return s.publish(msg)
	case IsUserTopic(name):
		return Receipt{}, fmt.Errorf("%w: %q", ErrForbidden, name)
	}
	return m.hub.publishBy(creator{member: m}, name, msg)
}

// PublishAsync is Publish without waiting for the broker: see [Hub.PublishAsync].
func (m *Member) PublishAsync(name string, msg Message, done func(Receipt, error)) {
	switch {
	case m.Left():
		done(Receipt{}, ErrLeft)
		return
	case IsUserTopic(name) && m.Subscription(name) == nil:
		done(Receipt{}, fmt.Errorf("%w: %q", ErrForbidden, name))
		return
	}
	m.hub.publishAsyncBy(creator{member: m}, name, msg, done)
}

func (h *Hub) publishAsyncBy(by creator, name string, m Message, done func(Receipt, error)) {
	if h.node == nil {
		done(h.publishBy(by, name, m))
		return
	}
	if err := CheckName(name); err != nil {
		done(Receipt{}, err)
		return
	}
	m.Data = bytes.Clone(m.Data)
	h.node.publish(by, name, m, done)
}

func (h *Hub) publishBy(by creator, name string, m Message) (Receipt, error) {
	if err := CheckName(name); err != nil {
		return Receipt{}, err
	}
	if h.node != nil {
		return h.await(by, name, m)
	}
	t, err := h.topic(name, by)
	if err != nil {
		return Receipt{}, err
	}
	m.Data = bytes.Clone(m.Data)
	return h.publish(by, t, m)
}

// await publishes through the broker and waits for the answer.
func (h *Hub) await(by creator, name string, m Message) (rc Receipt, err error) {
	answered := make(chan struct{})
	h.publishAsyncBy(by, name, m, func(r Receipt, e error) {
		rc, err = r, e
		close(answered)
	})
	<-answered
	return rc, err
}

// publish sends m, whose data does not change, to the topic, or, if t has ended, to the present
// topic of that name.
func (h *Hub) publish(by creator, t *Topic, m Message) (rc Receipt, err error) {
	h.Start()
	h.published.Add(1)
	for {
		rc, outcome := t.publish(m, h.patternsAt.Load())
		switch outcome {
		case appendedIdle:
			h.drop(t)
			return rc, nil
		case appended:
			return rc, nil
		case patternsChanged:
			h.refreshMatching(t)
		case topicEnded:
			if t, err = h.topic(t.name, by); err != nil {
				return rc, err
			}
		}
	}
}

// refreshMatching updates the list of patterns that match t.
func (h *Hub) refreshMatching(t *Topic) {
	var matching []*Topic
	h.mu.RLock()
	at := h.patternsAt.Load()
	if !IsUserTopic(t.name) {
		h.patterns.match(t.name, func(p *Topic) bool {
			matching = append(matching, p)
			return true
		})
	}
	h.mu.RUnlock()
	t.mu.Lock()
	if at > t.matchingAt { // otherwise another goroutine was faster
		t.matching, t.matchingAt = matching, at
	}
	t.mu.Unlock()
}

// PublishMatching publishes m to each topic that exists and matches the pattern, and returns the
// receipts by topic. If the hub has a [Broker] that is one of [Peers], that are the topics of all
// nodes. If the broker fails, the error is one of its errors, and the receipts are those of the other
// topics; it wraps ErrUnacknowledged if a node has not said which topics it has.
func (h *Hub) PublishMatching(pattern string, m Message) (map[string]Receipt, error) {
	if err := CheckPattern(pattern); err != nil {
		return nil, err
	}
	all := h.matching(pattern)
	elsewhere, failed := h.node.matchingElsewhere(pattern, all)
	r := receipts{all: make(map[string]Receipt, len(all)+len(elsewhere)), failed: failed}
	m.Data = bytes.Clone(m.Data) // once for all topics
	r.waiting.Add(len(all) + len(elsewhere))
	for _, t := range all {
		h.send(t, m, r.take(t.name))
	}
	for _, name := range elsewhere {
		h.node.send(name, m, h.node.passes(h.rule(name)), r.take(name))
	}
	r.waiting.Wait()
	return r.all, r.failed
}

// receipts are the results of publishing a message to several topics.
type receipts struct {
	waiting sync.WaitGroup
	mu      sync.Mutex
	all     map[string]Receipt
	failed  error
}

// take returns the function that takes the result of a topic.
func (r *receipts) take(name string) func(Receipt, error) {
	return func(rc Receipt, err error) {
		defer r.waiting.Done()
		r.mu.Lock()
		defer r.mu.Unlock()
		switch {
		case err == nil:
			r.all[name] = rc
		case errors.Is(err, ErrTooManyTopics): // the topic has ended meanwhile
		case !errors.Is(r.failed, ErrUnacknowledged): // which says more about all of them than that nothing was done
			r.failed = err
		}
	}
}

// matching returns the topics that match a pattern.
func (h *Hub) matching(pattern string) (all []*Topic) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for name, t := range h.topics {
		if !t.pattern && !IsUserTopic(name) && matches(pattern, name) {
			all = append(all, t)
		}
	}
	return all
}

// send publishes m, whose data does not change, to a topic that was found, and may have ended
// since.
func (h *Hub) send(t *Topic, m Message, done func(Receipt, error)) {
	if h.node != nil {
		h.node.publish(creator{}, t.name, m, done)
		return
	}
	done(h.publish(creator{}, t, m))
}
