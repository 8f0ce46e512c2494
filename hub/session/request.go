package session

import (
	"fmt"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/idempotency"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// actions are the functions for Request.Do, called once the request is allowed.
var actions = map[string]func(*session, *request){
	wire.Subscribe:   (*session).subscribe,
	wire.Unsubscribe: (*session).unsubscribe,
	wire.Publish:     (*session).publish,
	wire.History:     (*session).history,
	wire.Presence:    (*session).presence,
	wire.Ping:        (*session).ping,
	wire.Auth:        (*session).authenticate,
}

// begin is the first step of a request.
func (s *session) begin(a *request) {
	if s.refuseLeft(a) {
		return
	}
	if f := s.end.opts.Delay; f != nil {
		if d := f(s.member, &a.Request); d > 0 {
			answer := s.callback()
			time.AfterFunc(d, func() { answer(func() { a.step = (*session).authorize }) })
			return
		}
	}
	s.authorize(a)
}

// authorize finds out whether the member may do what it requests.
func (s *session) authorize(a *request) {
	switch a.Do {
	case wire.Unsubscribe, wire.Ping, wire.Auth:
		s.act(a)
		return
	}
	if m := s.member; hub.IsUserTopic(a.Topic) && (m.User() == "" || a.Topic != hub.UserTopic(m.User())) {
		a.finish(nil, fmt.Errorf("%w: %q", hub.ErrForbidden, a.Topic))
		return
	}
	next := (*session).act
	if a.Do == wire.Subscribe && a.Presence {
		next = (*session).authorizePresence
	}
	s.authorizeTo(a, a.Do, next)
}

// authorizePresence finds out whether the member may see who is present in the topic to which it may subscribe.
func (s *session) authorizePresence(a *request) { s.authorizeTo(a, wire.Presence, (*session).act) }

// authorizeTo asks the program, and goes on with next.
func (s *session) authorizeTo(a *request, do string, next func(*session, *request)) {
	switch o := &s.end.opts; {
	case o.AuthorizeAsync != nil:
		answer := s.callback()
		o.AuthorizeAsync(s.member, do, a.Topic, func(err error) {
			answer(func() { a.proceed(err, next) })
		})
	case o.Authorize != nil:
		if err := o.Authorize(s.member, do, a.Topic); err != nil {
			a.finish(nil, forbidden(err))
			return
		}
		next(s, a)
	default:
		next(s, a)
	}
}

// proceed sets the next step, or ends the request with an error.
func (a *request) proceed(err error, next func(*session, *request)) {
	if err != nil {
		a.finish(nil, forbidden(err))
		return
	}
	a.step = next
}

// forbidden returns the error of a hook as the client gets it.
func forbidden(err error) error {
	if err == nil {
		return nil
	}
	return wire.ErrorOf(err, wire.Forbidden)
}

// refuseLeft refuses a request of a member that has been disconnected, and whose connection only gets the rest of its
// messages. The first request of a connection has no member yet.
func (s *session) refuseLeft(a *request) bool {
	if s.member == nil || !s.member.Left() {
		return false
	}
	a.finish(nil, hub.ErrLeft)
	return true
}

func (s *session) act(a *request) {
	if !s.refuseLeft(a) { // the program may have taken its time to decide
		actions[a.Do](s, a)
	}
}

func (s *session) busy(a *request) {
	a.finish(nil, wire.Errorf(wire.Busy, "the server has too many waiting requests; wait for some replies, and try again"))
}

func (s *session) subscribe(a *request) {
	o := hub.SubscribeOptions{Start: hub.Start{After: a.After, Last: a.Last}, Encoding: Encoding, Paused: true}
	if a.Presence {
		o.Presence = new([]hub.Person)
	}
	sub, at, err := s.member.Subscribe(a.Topic, o)
	s.end.recoveries.count(a.After, err)
	if err != nil {
		a.finish(nil, err)
		return
	}
	a.sub, a.result = sub, &wire.Result{Topic: sub.Topic(), Position: &at, Present: o.Presence}
	switch o := &s.end.opts; {
	case o.SubscribedAsync != nil:
		answer := s.callback()
		o.SubscribedAsync(s.member, a.Topic, func(err error) { answer(func() { a.checked(err) }) })
	case o.Subscribed != nil:
		a.checked(o.Subscribed(s.member, a.Topic))
	default:
		a.checked(nil)
	}
}

// checked finishes a subscription, or ends it.
func (a *request) checked(err error) {
	if err == nil {
		a.finish(a.result, nil)
		return
	}
	a.err, a.step = ErrorOf(forbidden(err)), (*session).drop
}

// drop ends a subscription whose request fails.
func (s *session) drop(a *request) {
	_ = s.member.Unsubscribe(a.Topic) // unless it has ended meanwhile
	a.sub = nil
	a.finish(nil, a.err)
}

// unsubscribe has the reply follow all messages that were published before.
func (s *session) unsubscribe(a *request) {
	answer := s.callback()
	err := s.member.UnsubscribeThen(a.Topic, func() {
		answer(func() { a.finish(&wire.Result{Topic: a.Topic}, nil) })
	})
	if err != nil {
		a.finish(nil, err)
	}
}

func (s *session) publish(a *request) {
	if a.Data == nil {
		a.finish(nil, wire.Errorf(wire.BadRequest, `there is no "data"; it must be the value to publish, any JSON`))
		return
	}
	if a.IdempotencyKey != "" {
		s.publishOnce(a)
		return
	}
	if s.end.opts.Publish != nil {
		rc, err := s.end.opts.Publish(s.member, &a.Request)
		a.published(rc, forbidden(err))
		return
	}
	a.ordered = true
	answer := s.callback()
	s.pass(a, func(rc hub.Receipt, err error) { answer(func() { a.published(rc, err) }) })
}

// pass publishes what a requests, or has the program do so.
func (s *session) pass(a *request, done func(hub.Receipt, error)) {
	switch o := &s.end.opts; {
	case o.PublishAsync != nil:
		o.PublishAsync(s.member, &a.Request, func(rc hub.Receipt, err error) { done(rc, forbidden(err)) })
	case o.Publish != nil:
		rc, err := o.Publish(s.member, &a.Request)
		done(rc, forbidden(err))
	default:
		m := hub.Message{Data: a.Data, Kind: hub.JSON, Key: a.Key, ID: PublishID(s.member, &a.Request)}
		if !a.Echo {
			m.Exclude = s.member
		}
		s.member.PublishAsync(a.Topic, m, done)
	}
}

// minSharedKey is the length of the shortest idempotency key of an anonymous client, in bytes.
const minSharedKey = 16

// publishOnce publishes unless the same client has published with this key before. Anonymous clients share their keys, since
// nothing tells one that has reconnected from others; so theirs must be too long to guess.
func (s *session) publishOnce(a *request) {
	call := callOf(s.member, &a.Request)
	if s.member.User() == "" && len(call.Key) < minSharedKey {
		a.finish(nil, wire.Errorf(wire.BadRequest, "the idempotency key of a client without a user must have at least %d bytes, best chosen at random", minSharedKey))
		return
	}
	a.ordered = true
	answer := s.callback()
	s.end.opts.Idempotency.Do(&call, func(done func(hub.Receipt, error)) { s.pass(a, done) }, func(rc hub.Receipt, err error) {
		answer(func() { a.published(rc, err) })
	})
}

func callOf(m *hub.Member, r *wire.Request) idempotency.Call {
	return idempotency.Call{
		Scope: UserScope(m.User()), Owner: m.Owner(), Topic: r.Topic, Key: r.IdempotencyKey,
		Message: hub.Message{Data: r.Data, Kind: hub.JSON, Key: r.Key},
	}
}

// PublishID returns the hub.Message.ID for a request to publish, "" if it has no idempotency key. It is for
// Options.Publish and Options.PublishAsync.
func PublishID(m *hub.Member, r *wire.Request) string {
	if r.IdempotencyKey == "" {
		return ""
	}
	call := callOf(m, r)
	return call.ID()
}

// UserScope returns the scope of the idempotency keys of a user, or of all clients without one. A program whose users can
// publish in other ways too gives them the same scope there.
func UserScope(user string) string {
	if user == "" {
		return "anonymous"
	}
	return "user " + user
}

func (a *request) published(rc hub.Receipt, err error) {
	result := &wire.Result{Topic: a.Topic, Receivers: &rc.Receivers}
	if rc.Position.Epoch != 0 {
		result.Position = &rc.Position
	}
	a.finish(result, err)
}

func (s *session) history(a *request) { a.finish(History(s.end.hub, &a.Request)) }

func (s *session) presence(a *request) {
	all, err := s.end.hub.Presence(a.Topic)
	if all == nil {
		all = []hub.Person{}
	}
	a.finish(&wire.Result{Topic: a.Topic, Present: &all}, err)
}

func (s *session) ping(a *request) { a.finish(new(wire.Result), nil) }
