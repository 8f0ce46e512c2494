package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// call is a request that has no reply yet.
type call struct {
	text    []byte
	onLoss  lossPolicy
	unsent  bool                      // it waits for a connection
	own     bool                      // it publishes a message that the client does not receive itself
	publish bool                      // it is a publish request
	sentAt  time.Time                 // for the first time; zero if it has not been sent
	done    func(*wire.Result, error) // called once, under Client.mu
}

// lossPolicy determines what happens to a call when the connection breaks before the reply.
type lossPolicy uint8

const (
	failIfSent lossPolicy = iota // a call that has not been sent waits
	resend                       // sent on the next connection
	discard                      // without meaning on another connection
)

// callLocked sends a request, at once or on the next connection.
func (c *Client) callLocked(r wire.Request, onLoss lossPolicy, done func(*wire.Result, error)) (id uint64, err error) {
	if c.err != nil {
		return 0, c.closedErrorLocked()
	}
	r.ID = c.lastID + 1
	text, err := r.Append(nil)
	if err != nil {
		return 0, err
	}
	c.lastID++
	c.calls[r.ID] = &call{text: text, onLoss: onLoss, unsent: true, own: r.Do == wire.Publish && !r.Echo, publish: r.Do == wire.Publish, done: done}
	c.sendLocked(r.ID)
	return r.ID, nil
}

// sendLocked sends a call that has not been sent, if the client is connected.
func (c *Client) sendLocked(id uint64) {
	k := c.calls[id]
	if k == nil || !k.unsent || !c.open {
		return
	}
	switch c.current.ws.Load().Send(wsproto.Text, k.text) {
	case wsproto.Closed: // OnClose follows, and the next connection sends it
	case wsproto.Full:
		c.completeLocked(id, nil, fmt.Errorf("%w: the server does not read the requests sent before", ErrBusy))
	default:
		k.unsent = false
		if k.sentAt.IsZero() {
			k.sentAt = c.opts.clock.Now()
		}
	}
}

// RetryFor is how long after the first attempt a message with PublishOptions.Retry is sent again. Servers remember
// idempotency keys for longer.
const RetryFor = 2 * time.Minute

// sendAgainLocked sends the publish requests that were sent on an earlier connection. That comes before the subscriptions: the
// replies say which messages are the client's own, which it would receive when it resumes.
func (c *Client) sendAgainLocked() {
	for _, id := range slices.Sorted(maps.Keys(c.calls)) {
		k := c.calls[id]
		switch {
		case !k.publish || !k.unsent || k.sentAt.IsZero():
		case c.opts.clock.Now().Sub(k.sentAt) > RetryFor:
			c.completeLocked(id, nil, fmt.Errorf("%w: the server may have forgotten it since", ErrLost))
		default:
			c.sendLocked(id)
		}
	}
}

func (c *Client) completeLocked(id uint64, ok *wire.Result, err error) {
	k := c.calls[id]
	if k == nil {
		return
	}
	delete(c.calls, id)
	if k.own && err == nil && ok.Position != nil {
		if s := c.subs[ok.Topic]; s != nil {
			s.publishedLocked(*ok.Position)
		}
	}
	k.done(ok, err)
}

// roundTrip sends a request and waits for its reply, until ctx is done.
func (c *Client) roundTrip(ctx context.Context, r wire.Request, onLoss lossPolicy) (*wire.Result, error) {
	type answer struct {
		ok  *wire.Result
		err error
	}
	got := make(chan answer, 1)
	c.mu.Lock()
	var id uint64
	err := fmt.Errorf("%w: %d calls, of at most %d", ErrBusy, len(c.calls), c.opts.MaxCalls)
	if len(c.calls) < c.opts.MaxCalls {
		id, err = c.callLocked(r, onLoss, func(ok *wire.Result, err error) { got <- answer{ok, err} })
	}
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case a := <-got:
		return a.ok, a.err
	case <-ctx.Done():
		return nil, c.abandon(ctx, &r, id)
	}
}

// abandon forgets a call whose context is done, and returns its error.
func (c *Client) abandon(ctx context.Context, r *wire.Request, id uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := "no reply"
	if k := c.calls[id]; k != nil && k.unsent {
		state = "no connection"
	}
	delete(c.calls, id)
	return fmt.Errorf("client: %s %s: %s: %w", r.Do, r.Topic, state, context.Cause(ctx))
}

// PublishOptions are options of [Client.Publish]. The zero value works.
type PublishOptions struct {
	// Key is the message's key, at most 255 bytes. In a topic that conflates, a message
	// supersedes the previous one with the same key.
	Key string
	// Echo delivers the message to this client too, if it is subscribed to the topic.
	Echo bool
	// Retry sends the request again if the connection breaks before the reply, for RetryFor. The
	// server publishes the message once, since the requests have the same idempotency key. A server
	// that has restarted meanwhile has forgotten the key, and may publish the message twice; the nodes
	// of a cluster know it together, for half a minute.
	Retry bool
	// IdempotencyKey is that key, of at most 255 bytes, and at least 16 if the client has no user;
	// a random one if it is "" and Retry is set. With a key of its own a program can publish a
	// message once even if it restarts. The server remembers keys for some minutes, and refuses
	// another message with the same key, with the code wire.KeyReused.
	IdempotencyKey string
}

// Publish publishes data, encoded by json.Marshal, and waits until the message has its place in
// the topic. The error wraps [ErrLost] if the message may or may not have been published, and is a
// *wire.Error if the server refuses it. o may be nil.
func (c *Client) Publish(ctx context.Context, topic string, data any, o *PublishOptions) (hub.Receipt, error) {
	if o == nil {
		o = new(PublishOptions)
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return hub.Receipt{}, fmt.Errorf("client: %w", err)
	}
	r := wire.Request{Do: wire.Publish, Topic: topic, Data: raw, Key: o.Key, Echo: o.Echo, IdempotencyKey: o.IdempotencyKey}
	onLoss := failIfSent
	if o.Retry {
		onLoss = resend
		if r.IdempotencyKey == "" {
			r.IdempotencyKey = rand.Text()
		}
	}
	ok, err := c.roundTrip(ctx, r, onLoss)
	if err != nil {
		return hub.Receipt{}, err
	}
	return hub.Receipt{Position: deref(ok.Position), Receivers: deref(ok.Receivers)}, nil
}

// HistoryOptions select a part of a topic's history: the messages after a position, or the latest
// ones. If there are more than Limit of them, the reply has the first ones.
type HistoryOptions struct {
	After *hub.Position // nil: see Last
	Last  int           // used if After is nil
	Limit int           // 0: wire.DefaultHistory; at most wire.MaxHistory
}

// History is a part of a topic's history.
type History struct {
	Messages []Message
	Position hub.Position // of the last message; zero if the topic does not exist
	More     bool         // the topic holds further messages after Position
}

// History returns messages that the topic holds. The error is a *wire.Error with the code
// wire.TooOld if the topic no longer holds all messages after o.After. o may be nil.
func (c *Client) History(ctx context.Context, topic string, o *HistoryOptions) (h History, err error) {
	if o == nil {
		o = new(HistoryOptions)
	}
	ok, err := c.roundTrip(ctx, wire.Request{Do: wire.History, Topic: topic, After: o.After, Last: o.Last, Limit: o.Limit}, resend)
	if err != nil {
		return h, err
	}
	h.Position, h.More = deref(ok.Position), ok.More
	for _, m := range deref(ok.Messages) {
		h.Messages = append(h.Messages, Message{m, hub.Position{Epoch: h.Position.Epoch, Offset: m.Offset}})
	}
	return h, nil
}

// Presence returns the people who are present in the topic. The error is a *wire.Error with the
// code wire.BadRequest if presence is not enabled for it.
func (c *Client) Presence(ctx context.Context, topic string) ([]wire.Person, error) {
	ok, err := c.roundTrip(ctx, wire.Request{Do: wire.Presence, Topic: topic}, resend)
	if err != nil {
		return nil, err
	}
	return deref(ok.Present), nil
}

// deref returns *p, or the zero value if p is nil.
func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
