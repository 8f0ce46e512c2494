package session

import (
	"errors"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// session is the handler of one connection.
type session struct {
	receiver
	end    *Endpoint
	member *hub.Member
	id     *hub.Identity // until it is a member
}

func (s *session) OnOpen(c *wsproto.Conn, _ *wsproto.Request) {
	s.conn = c
	m, err := s.end.hub.NewMember(s, *s.id, hub.SubscribeOptions{Wrapped: true, Paused: true})
	switch {
	case errors.Is(err, hub.ErrFull):
		c.Close(wsproto.TryAgainLater, wire.Plain(err))
		return
	case err != nil:
		c.Close(wsproto.PolicyViolation, wire.Plain(err))
		return
	}
	s.member, s.id = m, nil
	s.tell((&wire.Hello{Protocol: wire.Protocol, Client: m.ID(), User: m.User()}).Append(nil))
	if m.User() != "" {
		m.Subscription(hub.UserTopic(m.User())).Resume()
	}
}

func (s *session) OnMessage(c *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	if op != wsproto.Text {
		c.Close(wsproto.UnsupportedData, "a request is a text message with a JSON object, not a binary one")
		return
	}
	r, err := wire.ParseRequest(payload)
	switch {
	case errors.Is(err, wire.ErrNoObject):
		c.Close(wsproto.InvalidPayload, `a request is a JSON object, such as {"id":1,"do":"ping"}`)
	case err != nil:
		s.fail(r.ID, wire.ErrorOf(err, wire.BadRequest))
	default:
		s.handle(&r)
	}
}

// OnClose ends all that the connection takes part in.
func (s *session) OnClose(*wsproto.Conn, *wsproto.CloseError) {
	if s.member != nil {
		s.member.Leave()
	}
	s.stop()
}

// Ended says that the server has ended a subscription, but not before the client knows
// that it has it; and not if the client, told so by a reply, has subscribed anew: that
// one has not ended.
func (s *session) Ended(topic string, code wsproto.Code, reason string) {
	s.replying.Lock()
	defer s.replying.Unlock()
	if s.member.Subscription(topic) != nil {
		return
	}
	s.forget(topic)
	s.tell((&wire.End{Topic: topic, Code: int(code), Reason: reason}).Append(nil))
}

// handle does what r asks for, and replies.
func (s *session) handle(r *wire.Request) {
	do := requests[r.Do]
	if do == nil {
		s.fail(r.ID, wire.UnknownRequest(r.Do))
		return
	}
	s.replying.Lock()
	defer s.replying.Unlock()
	result, begun, err := do(s, r)
	switch {
	case err != nil:
		s.fail(r.ID, errorOf(err))
	case !s.reply(r.ID, result):
		if begun != nil {
			_ = s.member.Unsubscribe(begun.Topic()) // unless it has ended meanwhile
		}
		s.fail(r.ID, wire.Errorf(wire.Unavailable, "the reply does not fit into what may be pending: read what there is, and ask again"))
	case begun != nil:
		begun.Resume()
	}
}

// reply reports false if there is no room for the reply.
func (s *session) reply(id uint64, result *wire.Result) bool {
	if id == 0 {
		return true
	}
	p, err := (&wire.Reply{ID: id, OK: result}).Append(nil)
	if err != nil {
		s.conn.Close(wsproto.InternalError, wire.Plain(err)) // all that is in it is known to be JSON
		return true
	}
	return s.conn.Send(wsproto.Text, p) != wsproto.Full
}

func (s *session) fail(id uint64, e *wire.Error) {
	s.tell((&wire.Reply{ID: id, Error: e}).Append(nil))
}

// errorOf returns err as the client is told it.
func errorOf(err error) *wire.Error {
	code := wire.BadTopic
	switch {
	case errors.Is(err, hub.ErrSubscribed):
		code = wire.Subscribed
	case errors.Is(err, hub.ErrNotSubscribed):
		code = wire.NotSubscribed
	case errors.Is(err, hub.ErrForbidden):
		code = wire.Forbidden
	case errors.Is(err, hub.ErrTooMany):
		code = wire.TooLarge
	case errors.Is(err, hub.ErrNoPresence):
		code = wire.BadRequest
	case errors.Is(err, hub.ErrLeft), errors.Is(err, hub.ErrFull), errors.Is(err, hub.ErrLinkDown), errors.Is(err, hub.ErrUnacknowledged):
		code = wire.Unavailable
	}
	return wire.ErrorOf(err, code)
}
