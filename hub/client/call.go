package client

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// call is a request without a reply yet.
type call struct {
	text   []byte
	onLoss lossPolicy
	unsent bool                      // for a connection
	own    bool                      // it publishes what the client does not get itself
	done   func(*wire.Result, error) // called once, under Client.mu
}

// lossPolicy is what becomes of a call when the connection breaks before the reply.
type lossPolicy uint8

const (
	failIfSent lossPolicy = iota // unless it still waits
	resend                       // it is sent again
	discard                      // it has no meaning for another connection
)

// callLocked sends a request, now or with the next connection.
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
	c.calls[r.ID] = &call{text: text, onLoss: onLoss, unsent: true, own: r.Do == wire.Publish && !r.Echo, done: done}
	c.sendLocked(r.ID)
	return r.ID, nil
}

// sendLocked sends a call that waits, if the client is connected.
func (c *Client) sendLocked(id uint64) {
	k := c.calls[id]
	if k == nil || !k.unsent || !c.open {
		return
	}
	switch c.current.ws.Load().Send(wsproto.Text, k.text) {
	case wsproto.Closed: // OnClose follows, and then another connection
	case wsproto.Full:
		c.completeLocked(id, nil, fmt.Errorf("%w: the server does not take what was sent", ErrBusy))
	default:
		k.unsent = false
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

// roundTrip sends a request and waits for its reply, or for ctx.
func (c *Client) roundTrip(ctx context.Context, r wire.Request, onLoss lossPolicy) (*wire.Result, error) {
	type answer struct {
		ok  *wire.Result
		err error
	}
	got := make(chan answer, 1)
	c.mu.Lock()
	var id uint64
	err := fmt.Errorf("%w: %d calls", ErrBusy, len(c.calls))
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

// abandon returns the error of a call whose context is done.
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

// PublishOptions say how to publish. The zero value works.
type PublishOptions struct {
	// Key is for topics that conflate: what the message is the latest about.
	Key string
	// Echo has the client get the message, too, if it has subscribed.
	Echo bool
	// Retry has the message published again if the connection breaks before the
	// reply: so it is published once at least, perhaps twice.
	Retry bool
}

// Publish publishes data as JSON, as json.Marshal makes it, and waits until the message
// has its place in the topic. It fails with [ErrLost] if nobody knows whether it has. o
// may be nil.
func (c *Client) Publish(ctx context.Context, topic string, data any, o *PublishOptions) (hub.Receipt, error) {
	if o == nil {
		o = new(PublishOptions)
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return hub.Receipt{}, fmt.Errorf("client: %w", err)
	}
	onLoss := failIfSent
	if o.Retry {
		onLoss = resend
	}
	ok, err := c.roundTrip(ctx, wire.Request{Do: wire.Publish, Topic: topic, Data: raw, Key: o.Key, Echo: o.Echo}, onLoss)
	if err != nil {
		return hub.Receipt{}, err
	}
	return hub.Receipt{Position: deref(ok.Position), Receivers: deref(ok.Receivers)}, nil
}

// HistoryOptions say what of a topic's history to get: what follows After, or else the
// Last messages; and of that the first, up to Limit, or the server's own.
type HistoryOptions struct {
	After *hub.Position
	Last  int
	Limit int
}

// History is a part of what a topic holds.
type History struct {
	Messages []Message
	Position hub.Position // after them; zero if there is no such topic
	More     bool         // there are more after Position
}

// History returns messages that the topic holds. The error is a *wire.Error with
// wire.TooOld if not all after o.After are held. o may be nil.
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

// Presence returns who is in the topic.
func (c *Client) Presence(ctx context.Context, topic string) ([]wire.Person, error) {
	ok, err := c.roundTrip(ctx, wire.Request{Do: wire.Presence, Topic: topic}, resend)
	if err != nil {
		return nil, err
	}
	return deref(ok.Present), nil
}

// deref returns what p points to, or zero.
func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
