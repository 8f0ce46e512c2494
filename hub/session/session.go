package session

import (
	"context"
	"errors"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/idempotency"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// session is the handler of one connection.
type session struct {
	receiver
	end    *Endpoint
	member *hub.Member
	queue  *queue // under receiver.replying; nil if every request has been answered
}

func (s *session) OnOpen(c *wsproto.Conn, _ *wsproto.Request) {
	s.Conn = wshub.Subscriber(c)
	o := s.queue.opening
	if o.token {
		s.awaitToken()
		return
	}
	s.queue = nil
	s.open(o.id)
}

// resumeUser resumes the subscription to the user's topic, unless the server has ended it already.
func (s *session) resumeUser() {
	if user := s.member.User(); user != "" {
		if sub := s.member.Subscription(hub.UserTopic(user)); sub != nil {
			sub.Resume()
		}
	}
}

func (s *session) OnMessage(c *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	if op != wsproto.Text {
		c.Close(wsproto.UnsupportedData, "a request is a text message with a JSON object, not a binary one")
		return
	}
	r, err := wire.ParseRequest(payload)
	a := &request{Request: r, step: (*session).begin}
	if errors.Is(err, wire.ErrNoObject) {
		c.Close(wsproto.InvalidFramePayload, `a request is a JSON object, such as {"id":1,"do":"ping"}`)
		return
	}
	switch wait := s.limit(&a.Request); {
	case wait > 0:
		a.refuse(wire.Limited(wait))
	case err != nil:
		a.refuse(wire.ErrorOf(err, wire.BadRequest))
	case actions[r.Do] == nil:
		a.refuse(wire.UnknownRequest(r.Do))
	}
	s.enqueue(a)
}

// limit returns how long the client must wait before a request, because of Options.Limit.
func (s *session) limit(r *wire.Request) (wait time.Duration) {
	f := s.end.opts.Limit
	if f == nil {
		return 0
	}
	s.replying.Lock()
	m := s.member
	s.replying.Unlock()
	if m == nil { // the token comes first
		return 0
	}
	return f(m, r)
}

// OnPing counts a ping as a request: the server has answered it already, and nothing else bounds how many come.
func (s *session) OnPing(c *wsproto.Conn, _ []byte) {
	if wait := s.limit(&pingRequest); wait > 0 {
		c.Close(wire.CloseRateLimited, wire.Limited(wait).Message)
	}
}

var pingRequest = wire.Request{Do: wire.Ping}

// refuse has the request answered with an error. Nothing else of the request is kept.
func (a *request) refuse(err *wire.Error) {
	a.Request = wire.Request{ID: a.ID}
	a.step = func(_ *session, a *request) { a.finish(nil, err) }
}

const restarting = "the server is restarting"

// OnDrain is called when the server drains: see wsproto.DrainHandler. The client gets what was published before.
func (s *session) OnDrain(c *wsproto.Conn) {
	s.replying.Lock()
	m := s.member
	s.replying.Unlock()
	if m == nil {
		c.Close(wsproto.ServiceRestart, restarting)
		return
	}
	m.Disconnect(hub.CloseReason{Code: int(wsproto.ServiceRestart), Text: restarting})
}

// MemberOf returns the member of a connection of an Endpoint; nil if it is none, has not been identified, or has closed. It may wait
// for a reply that is being sent.
func MemberOf(c *wsproto.Conn) *hub.Member {
	s, ok := c.Handler().(*session)
	if !ok {
		return nil
	}
	s.replying.Lock()
	defer s.replying.Unlock()
	if s.gone != 0 {
		return nil
	}
	return s.member
}

// OnClose ends the member's subscriptions.
func (s *session) OnClose(_ *wsproto.Conn, why *wsproto.CloseError) {
	s.replying.Lock()
	s.uncountLocked()
	s.openedLocked()
	s.gone = max(why.Code, 1)
	m, naming := s.member, s.naming
	s.replying.Unlock()
	if m != nil {
		m.Leave()
	}
	if m != nil && !naming {
		s.end.closed(m, why.Code)
	}
	s.end.data.Add(-int64(s.data))
	s.stop()
}

// OnUnsubscribe tells the client that the server has ended a subscription. It tells nothing
// if a reply to a subscribe request for the topic is due, since that reply says how the topic
// stands, nor if the client has subscribed to the topic anew: that subscription has not ended.
func (s *session) OnUnsubscribe(topic string, why hub.CloseReason) {
	s.replying.Lock()
	defer s.replying.Unlock()
	if s.queue.replyDue(topic) || s.member.Subscription(topic) != nil {
		return
	}
	s.forget(topic)
	s.sendOrClose(event(&hub.Event{Kind: hub.EndEvent, Topic: topic, Reason: why}))
}

const ended = "the subscription ended before its reply was sent; try again"

// replyLocked sends the reply to a request. It returns false if there is no room for the reply
// to a subscribe request: the subscription must end first.
func (s *session) replyLocked(a *request) bool {
	switch {
	case a.err != nil && a.err.Code == wire.Subscribed && s.member.Subscription(a.Topic) == nil:
		// The server has ended that subscription since, and OnUnsubscribe relies on this reply.
		a.err = wire.Errorf(wire.Unavailable, ended)
	case a.err != nil:
	case a.Do == wire.Unsubscribe:
		s.forget(a.Topic)
	case a.sub != nil && s.member.Subscription(a.sub.Topic()) != a.sub:
		a.err = wire.Errorf(wire.Unavailable, ended)
	}
	if a.err == nil {
		a.err = s.reply(a.ID, a.result)
		if a.err != nil && a.sub != nil {
			a.done, a.step = false, (*session).drop
			return false
		}
	}
	switch {
	case a.err != nil:
		s.fail(a.ID, a.err)
	case a.sub != nil:
		a.sub.Resume()
	}
	return true
}

// reply sends a reply, and returns an error if there is no room for it.
func (s *session) reply(id uint64, result *wire.Result) *wire.Error {
	if id == 0 {
		return nil
	}
	p, err := (&wire.Reply{ID: id, OK: result}).Append(nil)
	if err != nil {
		s.WebSocket().Close(wsproto.InternalError, wire.Plain(err)) // all that is in it is known to be JSON
		return nil
	}
	if s.WebSocket().Send(wsproto.Text, p) != wsproto.Full {
		return nil
	}
	return wire.Errorf(wire.Unavailable, "the reply has %d bytes, so with it more would be pending for this connection than MaxPending allows: read what there is, and ask again", len(p))
}

func (s *session) fail(id uint64, e *wire.Error) {
	s.sendOrClose((&wire.Reply{ID: id, Error: e}).Append(nil))
}

// CloseCode returns the code for closing a connection that cannot begin because the hub has
// refused its member or subscription with err. A client takes 1008 as final, so it is not used
// for states that pass: a full hub, or a broker that is down.
func CloseCode(err error) wsproto.Code {
	if errors.Is(err, hub.ErrClosed) {
		return wsproto.GoingAway
	}
	switch ErrorOf(err).Code {
	case wire.Unavailable, wire.TooLarge:
		return wsproto.TryAgainLater
	}
	return wsproto.PolicyViolation
}

// ErrorOf returns the error of a request that the hub has refused with err. A program that calls the hub in place of the
// endpoint, as in Options.Publish, should send that.
func ErrorOf(err error) *wire.Error {
	code := wire.BadTopic
	switch {
	case errors.Is(err, hub.ErrSubscribed):
		code = wire.Subscribed
	case errors.Is(err, hub.ErrNotSubscribed):
		code = wire.NotSubscribed
	case errors.Is(err, idempotency.ErrReused):
		code = wire.KeyReused
	case errors.Is(err, hub.ErrForbidden):
		code = wire.Forbidden
	case errors.Is(err, hub.ErrTooMany):
		code = wire.TooLarge
	case errors.Is(err, hub.ErrNoPresence):
		code = wire.BadRequest
	case errors.Is(err, hub.ErrLeft), errors.Is(err, hub.ErrClosed), errors.Is(err, hub.ErrTooManyTopics),
		errors.Is(err, hub.ErrLinkDown), errors.Is(err, hub.ErrUnacknowledged), errors.Is(err, context.DeadlineExceeded): // the broker's
		code = wire.Unavailable
	}
	return wire.ErrorOf(err, code)
}
