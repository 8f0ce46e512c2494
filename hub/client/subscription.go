package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// Message is a message that was published to a topic. Handlers may keep it, including Payload.
type Message struct {
	wire.Message
	// Position is the position of this message, for SubscribeOptions.After; zero if the message
	// was received through a pattern.
	Position hub.Position
}

// Decode unmarshals the payload, which must be of Kind wire.JSON, into v.
func (m *Message) Decode(v any) error { return json.Unmarshal(m.Payload, v) }

// Published returns the time of publication, with a resolution of one millisecond.
func (m *Message) Published() time.Time { return time.UnixMilli(m.Time) }

// Gap describes missed messages: those after After, up to and including Oldest, where the
// subscription continues. Latest is the topic's position at that moment. All three are zero for a
// pattern, because the server cannot tell whether messages of a pattern are missing.
type Gap struct{ After, Oldest, Latest hub.Position }

// SubscribeOptions are options of [Client.Subscribe]. With the zero value the subscription starts
// with the next message. Any callback may be nil.
type SubscribeOptions struct {
	// After starts after this position, which is a Message.Position or Subscription.Position,
	// possibly from an earlier run of the program.
	After *hub.Position
	// Last starts with that many of the latest messages. It has no effect if After is set.
	Last int
	// Presence maintains Subscription.Present and calls OnPresence.
	Presence bool

	// OnGap is called before the first message after a gap.
	OnGap func(Gap)
	// OnPresence is called when people have joined the topic, have changed their data, or have
	// left. People who are present when the subscription starts count as having joined.
	OnPresence func(joined, left []wire.Person)
	// OnDrop is called with the number of messages that the server has dropped, because this
	// client is slow and the topic's policy is to drop.
	OnDrop func(messages int64)
	// OnEnd is called when the subscription has ended, except after Unsubscribe and Close. The
	// error is a *wsproto.CloseError if the server has ended the subscription, a *wire.Error if
	// it cannot be resumed, and wraps ErrClosed if the server has rejected the client.
	OnEnd func(error)
}

// Subscription is a client's subscription to a topic or pattern. Its methods may be called from any
// goroutine, including that of the callbacks.
type Subscription struct {
	client  *Client
	topic   string
	pattern bool
	opts    SubscribeOptions
	handler func(Message)
	result  chan error // receives nil or the error of Subscribe, once
	ended   atomic.Bool

	// Guarded by Client.mu.
	started  bool         // it has been established at least once
	live     bool         // it is established on the current connection
	position hub.Position // of the last message received
	own      ownOffsets
	present  map[string]wire.Person
	retry    timer
}

// Subscribe subscribes to a topic, or to all topics that match a pattern such as prices.* or
// prices.>, and waits until the server has confirmed it. handler may be called before Subscribe
// returns. ctx has no effect afterwards. Subscribe fails with [ErrOverlap] if another subscription
// of this client receives the same messages: that needs a second client. o and handler may be nil.
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
			return fmt.Errorf("%w to %q, which has messages in common with %q: use a second client", ErrOverlap, topic, s.topic)
		}
	}
	c.subs[s.topic] = s
	if c.open {
		s.subscribeLocked(nil, 0)
	}
	return nil
}

// Topic returns the topic or pattern of the subscription.
func (s *Subscription) Topic() string { return s.topic }

// Position returns the position of the last message received. The handler may not have been called
// for that message yet; each Message has its own Position. It is zero for a pattern.
func (s *Subscription) Position() hub.Position {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	return s.position
}

// Present returns the people in the topic, sorted by ID. It is empty unless
// SubscribeOptions.Presence is set.
func (s *Subscription) Present() []wire.Person {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.present), func(a, b wire.Person) int { return strings.Compare(a.ID, b.ID) })
}

// Unsubscribe ends the subscription without waiting for the server. The handler is not called any
// more; a call that is running is not interrupted.
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

// subscribeLocked sends the request to subscribe. gap is the gap known so far, or nil.
func (s *Subscription) subscribeLocked(gap *Gap, tries int) {
	r := wire.Request{Do: wire.Subscribe, Topic: s.topic, Presence: s.opts.Presence}
	switch {
	case gap != nil && gap.Oldest != (hub.Position{}):
		r.After = &gap.Oldest
	case gap != nil:
		r.Last = allHeld
	case s.started && !s.pattern:
		at := s.position // a copy: the position changes before the next request
		r.After = &at
	case !s.started:
		r.After = s.opts.After
		if r.After == nil {
			r.Last = s.opts.Last
		}
	}
	_, err := s.client.callLocked(r, discard, func(ok *wire.Result, err error) {
		if s.ended.Load() || errors.Is(err, ErrLost) { // after ErrLost the next connection subscribes again
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

// maxTries bounds the attempts to resume from the oldest message, which the server may drop each
// time before the request arrives. A topic that does not exist yet has another epoch each time.
const maxTries = 2

// allHeld asks for all messages that the topic holds.
const allHeld = math.MaxInt32

func (s *Subscription) refusedLocked(r *wire.Request, gap *Gap, err error, tries int) {
	var e *wire.Error
	errors.As(err, &e)
	switch {
	case e != nil && e.Temporary():
		c, l := s.client, s.client.current
		s.retry = c.opts.clock.AfterFunc(max(c.backoff(tries), e.RetryAfter()), func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.open && c.current == l && !s.ended.Load() {
				s.subscribeLocked(gap, tries+1)
			}
		})
	case e != nil && e.Code == wire.TooOld && r.After != nil:
		g := Gap{After: deref(r.After), Oldest: deref(e.Oldest), Latest: deref(e.Latest)}
		if gap != nil {
			g.After = gap.After
		}
		if tries >= maxTries {
			g.Oldest = hub.Position{}
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
	if !s.live || !s.pattern && m.Offset <= s.position.Offset { // of an earlier subscription to the topic
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

// publishedLocked records the position of a message that the client itself has published.
func (s *Subscription) publishedLocked(at hub.Position) {
	if s.started && !s.pattern && at.Epoch == s.position.Epoch && at.Offset > s.position.Offset {
		s.own.add(at.Offset)
		if s.live { // otherwise the reply to subscribe says where the subscription is
			s.position.Offset = s.own.after(s.position.Offset)
		}
	}
}

// presenceLocked updates the list of people, and reports the changes.
func (s *Subscription) presenceLocked(joined, left []wire.Person, size int) {
	var came, went []wire.Person
	for _, p := range left {
		if old, was := s.present[p.ID]; was { // which has the person's data
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

// notifyLocked queues a callback, unless it is nil. The callback is skipped if the subscription has
// ended by the time it would run.
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

// endLocked ends the subscription because of err.
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
