package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// Message is what was published. It is the handler's to keep.
type Message struct {
	wire.Message
	// Position is after this message, for SubscribeOptions.After; zero if it came by
	// a pattern.
	Position hub.Position
}

// Decode is json.Unmarshal of the payload, which has to be of the Kind wire.JSON.
func (m *Message) Decode(v any) error { return json.Unmarshal(m.Payload, v) }

// Published returns when the message was published, in milliseconds.
func (m *Message) Published() time.Time { return time.UnixMilli(m.Time) }

// Gap says that messages did not come: those after After up to Oldest, where the
// subscription goes on. Latest is where the topic was at that moment. If all are zero
// it is a pattern's, and nobody knows whether any are missing.
type Gap struct{ After, Oldest, Latest hub.Position }

// SubscribeOptions say how to subscribe. The zero value begins with the next message.
// Any callback may be nil.
type SubscribeOptions struct {
	// After begins after this position, as Message.Position or Subscription.Position
	// told it, perhaps in an earlier life of the program.
	After *hub.Position
	// Last begins with so many of the latest messages, if After is nil.
	Last int
	// Presence keeps Subscription.Present.
	Presence bool

	// OnGap is called before the first message after the gap.
	OnGap func(Gap)
	// OnPresence is called when people have joined, or have other data now, or have
	// left. Those who are in the topic at the beginning have joined.
	OnPresence func(joined, left []wire.Person)
	// OnDrop is called when so many messages did not come, because this client is
	// slow and the topic's policy is to drop.
	OnDrop func(messages int64)
	// OnEnd is called when the subscription has ended other than by Unsubscribe or
	// Close: with a *wsproto.CloseError if the server has ended it, a *wire.Error if it
	// cannot be resumed, or what wraps ErrClosed if the server does not want the client.
	OnEnd func(error)
}

// Subscription is what a handler gets the messages of. Its methods are safe from any
// goroutine.
type Subscription struct {
	client  *Client
	topic   string
	pattern bool
	opts    SubscribeOptions
	handler func(Message)
	result  chan error // gets nil or why it failed, once
	ended   atomic.Bool

	// Under Client.mu.
	started  bool         // it has begun once
	live     bool         // the server has said where it begins on this connection
	position hub.Position // of the last message
	own      ownOffsets
	present  map[string]wire.Person
	retry    *time.Timer
}

// Subscribe subscribes to a topic, or to all that match a pattern such as prices.* or
// prices.>, and waits until the subscription has begun; handler may be called before it
// returns. ctx has no meaning after that. A client cannot have two subscriptions that
// get the same messages: it takes another client. o and handler may be nil.
func (c *Client) Subscribe(ctx context.Context, topic string, o *SubscribeOptions, handler func(Message)) (*Subscription, error) {
	if o == nil {
		o = new(SubscribeOptions)
	}
	if handler == nil {
		handler = func(Message) {}
	}
	s := &Subscription{
		client: c, topic: topic, pattern: hub.IsPattern(topic), opts: *o, handler: handler,
		result: make(chan error, 1), present: make(map[string]wire.Person),
	}
	if err := c.add(s); err != nil {
		return nil, err
	}
	select {
	case err := <-s.result:
		if err != nil {
			return nil, err
		}
		return s, nil
	case <-ctx.Done():
		s.Unsubscribe()
		return nil, fmt.Errorf("client: %s %s: %w", wire.Subscribe, topic, context.Cause(ctx))
	}
}

func (c *Client) add(s *Subscription) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.closedErrorLocked()
	}
	for topic := range c.subs {
		if overlap(topic, s.topic) {
			return fmt.Errorf("%w to %s, which has messages in common with %s: use a second client", ErrOverlap, topic, s.topic)
		}
	}
	c.subs[s.topic] = s
	if c.open {
		s.subscribeLocked(nil, 0)
	}
	return nil
}

// Topic returns the topic or pattern.
func (s *Subscription) Topic() string { return s.topic }

// Position returns where the subscription is: after the last message that came. Its
// handler may still be called for some before that, and what it is given tells their
// own. Zero for a pattern.
func (s *Subscription) Position() hub.Position {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	return s.position
}

// Present returns who is in the topic, by their ids, if SubscribeOptions.Presence is set.
func (s *Subscription) Present() []wire.Person {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.present), func(a, b wire.Person) int { return strings.Compare(a.ID, b.ID) })
}

// Unsubscribe ends the subscription. The handler is not called any more, but for a call
// that is under way. It does not wait for the server.
func (s *Subscription) Unsubscribe() {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.ended.Swap(true) {
		return
	}
	s.removeLocked()
	if c.open {
		_, _ = c.callLocked(wire.Request{Do: wire.Unsubscribe, Topic: s.topic}, discard, func(*wire.Result, error) {})
	}
}

// subscribeLocked asks the server for what follows; gap is what is known of one.
func (s *Subscription) subscribeLocked(gap *Gap, tries int) {
	r := wire.Request{Do: wire.Subscribe, Topic: s.topic, Presence: s.opts.Presence}
	switch {
	case gap != nil && gap.Oldest != (hub.Position{}):
		r.After = &gap.Oldest
	case gap != nil:
	case s.started && !s.pattern:
		at := s.position // which changes before this is sent again
		r.After = &at
	case !s.started:
		r.After = s.opts.After
		if r.After == nil {
			r.Last = s.opts.Last
		}
	}
	_, err := s.client.callLocked(r, discard, func(ok *wire.Result, err error) {
		if s.ended.Load() || errors.Is(err, ErrLost) { // then it begins with the next connection
			return
		}
		if err != nil {
			s.refusedLocked(&r, gap, err, tries)
			return
		}
		s.subscribedLocked(ok, gap)
	})
	if err != nil {
		s.endLocked(err)
	}
}

// maxTries is how often what is held may be gone before it can be asked for.
const maxTries = 2

func (s *Subscription) refusedLocked(r *wire.Request, gap *Gap, err error, tries int) {
	var e *wire.Error
	errors.As(err, &e)
	switch {
	case e != nil && (e.Code == wire.Unavailable || e.Code == wire.Busy):
		c, l := s.client, s.client.current
		s.retry = time.AfterFunc(c.backoff(tries), func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.open && c.current == l && !s.ended.Load() {
				s.subscribeLocked(gap, tries+1)
			}
		})
	case e != nil && e.Code == wire.TooOld:
		g := Gap{After: deref(r.After), Oldest: deref(e.Oldest), Latest: deref(e.Latest)}
		if gap != nil {
			g.After = gap.After
		}
		if tries >= maxTries {
			g.Oldest = hub.Position{} // begin with the next message
		}
		s.subscribeLocked(&g, tries+1)
	default:
		s.endLocked(err)
	}
}

func (s *Subscription) subscribedLocked(ok *wire.Result, gap *Gap) {
	if s.pattern {
		if s.started {
			gap = new(Gap)
		}
	} else {
		if at := deref(ok.Position); at.Epoch != s.position.Epoch {
			s.own = nil
		}
		s.position = deref(ok.Position)
		if gap != nil {
			gap.Oldest = s.position
		}
	}
	if gap != nil {
		s.notifyLocked(0, bind(s.opts.OnGap, *gap))
	}
	if !s.started {
		s.started = true
		s.result <- nil
	}
	s.live = true
	present := deref(ok.Present)
	var left []wire.Person
	for id, p := range s.present {
		if !slices.ContainsFunc(present, func(p wire.Person) bool { return p.ID == id }) {
			left = append(left, wire.Person{ID: p.ID})
		}
	}
	size := 0
	for _, p := range present {
		size += len(p.ID) + len(p.Data)
	}
	s.presenceLocked(present, left, size)
}

func (s *Subscription) messageLocked(m *wire.Message, size int) {
	if !s.live || !s.pattern && m.Offset <= s.position.Offset { // of an earlier subscription that has ended
		return
	}
	given := Message{Message: *m}
	if !s.pattern {
		given.Position = hub.Position{Epoch: s.position.Epoch, Offset: m.Offset}
		mine := s.own.has(m.Offset)
		s.position.Offset = s.own.after(m.Offset)
		if mine {
			return
		}
	}
	s.notifyLocked(size, func() { s.handler(given) })
}

// publishedLocked is told of a message that the client itself has published.
func (s *Subscription) publishedLocked(at hub.Position) {
	if s.started && !s.pattern && at.Epoch == s.position.Epoch && at.Offset > s.position.Offset {
		s.own.add(at.Offset)
		s.position.Offset = s.own.after(s.position.Offset)
	}
}

// presenceLocked keeps who is there.
func (s *Subscription) presenceLocked(joined, left []wire.Person, size int) {
	var came, went []wire.Person
	for _, p := range left {
		if old, was := s.present[p.ID]; was { // with its data
			delete(s.present, p.ID)
			went = append(went, old)
		}
	}
	for _, p := range joined {
		if old, was := s.present[p.ID]; !was || !bytes.Equal(old.Data, p.Data) {
			s.present[p.ID] = p
			came = append(came, p)
		}
	}
	if f := s.opts.OnPresence; f != nil && len(came)+len(went) > 0 {
		s.notifyLocked(size, func() { f(came, went) })
	}
}

// notifyLocked has a callback called, unless it is nil or the subscription has ended by
// then.
func (s *Subscription) notifyLocked(size int, call func()) {
	if call == nil {
		return
	}
	s.client.callbacks.add(size, func() {
		if !s.ended.Load() {
			call()
		}
	})
}

// endLocked ends the subscription for what went wrong.
func (s *Subscription) endLocked(err error) {
	if !s.started {
		s.result <- err
	} else if f := s.opts.OnEnd; f != nil {
		s.client.callbacks.add(0, func() {
			if !s.ended.Swap(true) {
				f(err)
			}
		})
	}
	s.removeLocked()
}

func (s *Subscription) removeLocked() {
	s.suspendLocked()
	if s.client.subs[s.topic] == s {
		delete(s.client.subs, s.topic)
	}
}

func (s *Subscription) suspendLocked() {
	s.live = false
	if s.retry != nil {
		s.retry.Stop()
	}
}
