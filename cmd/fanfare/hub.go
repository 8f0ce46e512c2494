package main

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"os"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/backend"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/idempotency"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// maxData is the largest presence data of a client, in bytes.
const maxData = 1024

func (a *app) newHub() {
	o := hub.Options{
		Workers: wshub.Workers(a.server),
		Topic:   a.rules.options,
	}
	a.number, o.OnTold = rand.Uint64()|1, a.obey
	o.NodeName, _ = os.Hostname() // the number tells nodes without a name apart
	a.events.attach(&o)
	limitHub(&o, &a.cfg.Limits)
	if a.link != nil {
		a.link.Use(&o, a.cfg.NATS.Timeout)
	}
	a.hub = hub.New(o)
	a.once = idempotency.New(idempotency.Options{Window: a.cfg.Limits.IdempotencyWindow, MaxKeys: a.cfg.Limits.IdempotencyKeys, Logger: a.log})
	so := session.Options{
		IdentifyAsync:     a.identifySession,
		AuthenticateAsync: a.authenticate,
		AuthorizeAsync:    a.authorize,
		Identified:        a.identified,
		Closed:            a.closed,
		Limit:             a.limit,
		PublishAsync:      a.publishFor,
		Idempotency:       a.once,
		MaxData:           maxData,
	}
	a.sessions = session.New(a.hub, so)
}

// identifySession returns the identity of a client of fanfare.v1. The client chooses its ?data= unless its identity has data.
func (a *app) identifySession(r *wsproto.Request, done func(hub.Identity, error)) {
	a.identify(r, func(id policy.Identity, err error) {
		if err != nil {
			done(hub.Identity{}, err)
			return
		}
		h := hubIdentity(id, a.visitor(r.ClientAddr(), id))
		h.Owner = ownerOf(r.ClientAddr())
		if data := r.Query().Get("data"); data != "" && h.Data == nil {
			h.Data = json.RawMessage(data)
		}
		done(h, nil)
	})
}

func hubIdentity(id policy.Identity, v *visitor) hub.Identity {
	return hub.Identity{User: id.User, Data: id.Data, Expires: id.Expires, Value: v}
}

// actions are what clients of fanfare.v1 may do with a topic, in the terms of the policy.
var actions = map[string]policy.Action{
	wire.Subscribe: policy.Read, wire.History: policy.Read, wire.Presence: policy.List, wire.Publish: policy.Write,
}

// authorize decides whether a client of fanfare.v1 may do something with a topic.
func (a *app) authorize(m *hub.Member, do, topic string, done func(error)) {
	v := m.Value().(*visitor)
	switch refusal := a.may(v, do, topic); {
	case refusal == nil:
		done(nil)
	case do == wire.Subscribe && v.asks() && a.hooks.has(backend.Subscribe):
		a.hooks.subscribe(context.Background(), v, m.ID(), topic, func(err error) { done(errorOf(err)) })
	default:
		done(wire.Errorf(wire.Forbidden, "%s", a.refusals.policy(refusal, fromOwner(m.Owner())).Reason))
	}
}

// may returns a refusal unless a client has the right. The session refuses bad names itself.
func (a *app) may(v *visitor, do, topic string) *policy.Refusal {
	if checkTopic(topic) != nil || do == wire.Publish && v.asks() && a.hooks.has(backend.Publish) {
		return nil
	}
	return a.access.Authorize(v.rights, actions[do], topic)
}

// limit returns how long a request must wait because of the rate of its connection.
func (a *app) limit(m *hub.Member, r *wire.Request) time.Duration {
	c := m.To().(interface{ WebSocket() *wsproto.Conn }).WebSocket()
	return m.Value().(*visitor).admits(c, len(r.Data)+len(r.Topic)+len(r.Key)+len(r.Token)).wait
}

// publishFor publishes what a client of fanfare.v1 may publish: within the rates and, if the backend decides, what that
// permits, in the order of the requests.
func (a *app) publishFor(m *hub.Member, r *wire.Request, done func(hub.Receipt, error)) {
	msg := hub.Message{Data: r.Data, Kind: hub.JSON, Key: r.Key, ID: session.PublishID(m, r)}
	if !r.Echo {
		msg.Exclude = m
	}
	v, topic := m.Value().(*visitor), r.Topic // r is the session's again after the answer
	if over := a.rates.user(v.user, len(msg.Data), (*memberSender)(m)); over.wait > 0 {
		done(hub.Receipt{}, wire.Limited(over.wait))
		return
	}
	if !v.asks() || !a.hooks.has(backend.Publish) {
		a.publishNow(m, v, topic, msg, done)
		return
	}
	answered := v.order.place()
	a.hooks.publish(v, m.ID(), topic, msg, func(msg hub.Message, err error) {
		answered(func() {
			if err != nil {
				done(hub.Receipt{}, errorOf(err))
				return
			}
			a.publishNow(m, v, topic, msg, done)
		})
	})
}

// publishNow publishes a message that is paid for except to its topic.
func (a *app) publishNow(m *hub.Member, v *visitor, topic string, msg hub.Message, done func(hub.Receipt, error)) {
	if over := a.rates.topic(v.local, topic, len(msg.Data), (*memberSender)(m)); over.wait > 0 {
		done(hub.Receipt{}, wire.Limited(over.wait))
		return
	}
	m.PublishAsync(topic, msg, func(rc hub.Receipt, err error) {
		if err != nil {
			err = errorOfHub(err)
		}
		done(rc, err)
	})
}

// authenticate returns the identity for a token that a client of fanfare.v1 has sent in a message.
func (a *app) authenticate(old hub.Identity, token string, done func(hub.Identity, error)) {
	was := old.Value.(*visitor)
	id, refusal := a.access.message(token, was.proxied)
	switch {
	case refusal != nil:
		done(hub.Identity{}, unauthorized(a.refusals.policy(refusal, fromOwner(old.Owner))))
		return
	case id.Kind != policy.Key && id.Kind != policy.Token:
		const reason = "the token is not a key, and the server takes no other tokens"
		a.refusals.add(byToken, reason, fromOwner(old.Owner))
		done(hub.Identity{}, wire.Errorf(wire.Unauthorized, reason))
		return
	}
	shares := &a.remote
	if was.local {
		shares = &a.local
	}
	v := shares.visitor(was.from(), id)
	v.client = was.client
	v.handle = was.handle // 0 if this is the first identity of the connection
	if was.order != nil && v.order != nil {
		v.order = was.order
	}
	h := hubIdentity(id, v)
	h.Owner = old.Owner
	if h.Data == nil {
		h.Data = old.Data
	}
	done(h, nil)
}

// identified takes the place of a connection whose identity is known, or known anew.
func (a *app) identified(m *hub.Member, _ hub.Identity) {
	v := m.Value().(*visitor)
	if refusal := v.takePlace(a, m); refusal != nil {
		m.Disconnect(hub.CloseReason{Code: int(closeCode(refusal)), Text: refusal.Reason})
		return
	}
	v.connected(m.ID(), m.User(), hubPath)
}

// takePlace takes the place of a connection of fanfare.v1, or takes it anew.
func (v *visitor) takePlace(a *app, m *hub.Member) (refusal *policy.Refusal) {
	switch {
	case v.opening == nil:
	case v.handle == 0:
		refusal = v.open(a, (*memberTarget)(m), fromOwner(m.Owner()))
	default:
		var handle policy.Handle
		if handle, refusal = a.access.Renew(v.handle, (*memberTarget)(m), v.opening); refusal == nil {
			v.handle = handle
		}
		v.opening = nil
	}
	return refusal
}

// closed leaves the place of a connection that has ended.
func (a *app) closed(m *hub.Member, code wsproto.Code) {
	v := m.Value().(*visitor)
	v.leave(a)
	v.disconnected(int(code))
}

// memberTarget is a connection of fanfare.v1 whose identity can end.
type memberTarget hub.Member

// End is the method of policy.Target. The client gets what was published before.
func (t *memberTarget) End(why policy.Reason) { t.close(reasonOf(why)) }

func (t *memberTarget) close(why hub.CloseReason) { (*hub.Member)(t).Disconnect(why) }

// unauthorized returns the error of a request of fanfare.v1 for a refused token.
func unauthorized(r *policy.Refusal) *wire.Error {
	e := wire.Errorf(wire.Unauthorized, "%s", r.Reason)
	switch r.Status {
	case http.StatusForbidden:
		e.Code = wire.Forbidden
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		e.Code, e.Retry = wire.Unavailable, wire.Milliseconds(r.RetryAfter)
	}
	return e
}
