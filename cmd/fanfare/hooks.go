package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/backend"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// hooks ask the operator's program, if there is one. It decides about clients without a key or token that connect; about
// subscriptions to topics for which a client has no right; and about every message that a client without a key publishes,
// whether or not it has the right.
type hooks struct {
	current atomic.Pointer[backend.Backend] // nil if there is none
	headers atomic.Pointer[[]string]        // of handshakes that it gets
	policy  *policy.Policy
	options backend.Options // of current; only set and prepare use it, one at a time

	refusals *refusals
}

// set takes what the configuration says.
func (h *hooks) set(c *config.Config, log *slog.Logger) error {
	use, err := h.prepare(c, log)
	if err == nil {
		use()
	}
	return err
}

// prepare reads what the configuration says and its files, and returns a function that puts it into force. That keeps what
// asks the backend, with its cache and its circuit breakers, if its options are the same; otherwise calls under way are
// answered as before. Hooks do not come or go while the server runs, because connections remember whether there are any.
func (h *hooks) prepare(c *config.Config, log *slog.Logger) (use func(), err error) {
	if !c.Backend.Any() {
		return func() {}, nil
	}
	o, err := c.Hooks()
	if err != nil {
		return nil, err
	}
	o.Logger = log
	if h.current.Load() != nil && reflect.DeepEqual(o, h.options) {
		return func() {}, nil
	}
	b, err := backend.New(o)
	if err != nil {
		return nil, err
	}
	return func() { h.replace(b, o) }, nil
}

func (h *hooks) replace(b *backend.Backend, o backend.Options) {
	h.options = o
	h.headers.Store(&o.Headers)
	if old := h.current.Swap(b); old != nil {
		go old.Close(context.Background()) // after its calls, whose time is limited
	}
}

// unavailable returns the refusal of clients that connect while the backend is not asked because it has failed; nil otherwise.
func (h *hooks) unavailable() *wsproto.Refusal {
	if h.current.Load().Stats(backend.Connect).Breaker == "closed" {
		return nil
	}
	return (&policy.Refusal{Status: http.StatusServiceUnavailable, Reason: backend.ErrDown.Error(), RetryAfter: time.Second}).Handshake()
}

// close gives up the calls under way.
func (h *hooks) close() {
	if b := h.current.Load(); b != nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		b.Close(ctx)
	}
}

func (h *hooks) has(hook backend.Hook) bool {
	b := h.current.Load()
	return b != nil && b.Has(hook)
}

// ask asks the backend in force, also if a reload replaces it at this moment.
func (h *hooks) ask(ctx context.Context, r *backend.Request, done backend.Done) {
	b := h.current.Load()
	b.Go(ctx, r, func(a backend.Answer, err error) {
		if errors.Is(err, backend.ErrClosed) && h.current.Load() != b {
			h.ask(ctx, r, done)
			return
		}
		var no *backend.Refusal
		if errors.As(err, &no) {
			h.refusals.add(byBackend, no.Error(), fromClient(r.Address))
		}
		done(a, err)
	})
}

// connect asks whether a client may connect, and with which identity.
func (h *hooks) connect(r *wsproto.Request, id policy.Identity, done func(policy.Identity, error)) {
	ask := backend.Request{
		Hook: backend.Connect, Address: r.ClientAddr(), User: id.User,
		Path: r.Path(), Query: r.Query().Encode(), Header: h.selected(r),
	}
	h.ask(r.Context(), &ask, func(a backend.Answer, err error) {
		if err == nil {
			id, err = h.granted(&id, a, ask.Address)
		}
		if err != nil {
			err = refusalOf(err)
		}
		done(id, err)
	})
}

// selected returns the fields of a handshake that the operator's program gets.
func (h *hooks) selected(r *wsproto.Request) http.Header {
	some := make(http.Header)
	for _, name := range *h.headers.Load() {
		if values := r.Header.Values(name); len(values) > 0 {
			some[http.CanonicalHeaderKey(name)] = values
		}
	}
	return some
}

// errUnusable is the error of an answer that is well-formed but cannot be used. Only the operator learns the details.
var errUnusable = errors.New("the backend's answer cannot be used")

// granted returns the identity that an answer gives to a client, whose user a proxy may have named.
func (h *hooks) granted(was *policy.Identity, a backend.Answer, client netip.Addr) (policy.Identity, error) {
	g := policy.Granted{User: cmp.Or(a.User, was.User), Data: a.Data, Expires: a.Expires}
	g.Grants = policy.Grants{Read: a.Read, Write: a.Write, List: a.List, Manage: a.Manage}
	if a.Rate != nil {
		g.Limits.Messages, g.Limits.Bytes = int(math.Ceil(a.Rate.Messages)), int(math.Ceil(a.Rate.Bytes)) // 0 is no limit
	}
	id, err := h.policy.FromBackend(g)
	if err != nil {
		h.refusals.add(byUnusable, err.Error(), fromClient(client))
		return id, errUnusable
	}
	id.Proxied = was.Proxied
	return id, nil
}

// subscribe asks whether a client may subscribe to a topic or pattern.
func (h *hooks) subscribe(ctx context.Context, v *visitor, client, topic string, done func(error)) {
	ask := backend.Request{Hook: backend.Subscribe, Client: client, Address: v.from(), User: v.user, Topic: topic}
	h.ask(ctx, &ask, func(_ backend.Answer, err error) { done(err) })
}

// publish asks whether a client may publish a message, and calls done with the message to publish. m.Data must not change
// before that.
func (h *hooks) publish(v *visitor, client, topic string, m hub.Message, done func(hub.Message, error)) {
	ask := backend.Request{
		Hook: backend.Publish, Client: client, Address: v.from(), User: v.user, Topic: topic, Key: m.Key,
		Message: backend.Message{Form: formOf[m.Kind], Data: m.Data},
	}
	h.ask(context.Background(), &ask, func(a backend.Answer, err error) {
		if err == nil && a.Replaced != nil {
			m.Kind, m.Data = kindOfForm[a.Replaced.Form], bytes.Clone(a.Replaced.Data)
		}
		done(m, err)
	})
}

var (
	formOf     = map[hub.Kind]backend.Form{hub.JSON: backend.JSON, hub.Text: backend.Text, hub.Binary: backend.Binary}
	kindOfForm = map[backend.Form]hub.Kind{backend.JSON: hub.JSON, backend.Text: hub.Text, backend.Binary: hub.Binary}
)

// refusalOf returns the answer to a handshake for an error of the backend.
func refusalOf(err error) error {
	var refused *backend.Refusal
	var undecided *backend.Error
	r := policy.Refusal{Status: http.StatusBadGateway, Reason: errUnusable.Error()}
	switch {
	case errors.As(err, &refused):
		r = policy.Refusal{Status: refused.Code, Reason: refused.Error(), RetryAfter: refused.Retry}
		if r.Status >= 1000 { // a close code, which a handshake cannot have
			r.Status = http.StatusForbidden
		}
	case errors.As(err, &undecided):
		r = policy.Refusal{Status: http.StatusServiceUnavailable, Reason: undecided.Error(), RetryAfter: undecided.Retry}
	case errors.Is(err, backend.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		r = policy.Refusal{Status: http.StatusServiceUnavailable, Reason: "the backend was not asked in time", RetryAfter: time.Second}
	}
	return r.Handshake()
}

// errorOf returns the error of a request of fanfare.v1 for an error of the backend.
func errorOf(err error) error {
	var refused *backend.Refusal
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		e := wire.Errorf(wire.Forbidden, "%s", refused.Error())
		if refused.Retry > 0 {
			e.Code, e.Retry = wire.RateLimited, wire.Milliseconds(refused.Retry)
		}
		return e
	}
	return wire.Errorf(wire.Unavailable, "%s", err.Error())
}

// closeCodeOf returns the code for closing a connection whose message the backend has not permitted.
func closeCodeOf(err error) wsproto.Code {
	var refused *backend.Refusal
	switch {
	case !errors.As(err, &refused):
		return wsproto.TryAgainLater
	case refused.Code >= 1000:
		return wsproto.Code(refused.Code)
	}
	return wire.CloseForbidden
}
