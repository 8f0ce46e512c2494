package session

import (
	"net/http"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Reasons for hub.Member.Disconnect, after which clients get a new token before they reconnect.
var (
	TokenExpired = hub.CloseReason{Code: wire.CloseUnauthorized, Text: "the token has expired"}
	TokenRevoked = hub.CloseReason{Code: wire.CloseUnauthorized, Text: "the token was revoked"}
)

// authenticate asks the program who the client is, by its token.
func (s *session) authenticate(a *request) {
	old, open := s.identity()
	switch o := &s.end.opts; {
	case !open:
		a.finish(nil, hub.ErrLeft)
	case o.AuthenticateAsync != nil:
		answer := s.callback()
		o.AuthenticateAsync(old, a.Token, func(id hub.Identity, err error) {
			answer(func() { a.authenticated(id, err) })
		})
	case o.Authenticate != nil:
		a.authenticated(o.Authenticate(old, a.Token))
	default:
		a.finish(nil, wire.Errorf(wire.BadRequest, "this server takes no tokens"))
	}
}

// identity returns the identity of the connection so far. It returns false if the connection has
// closed, perhaps before it had a member.
func (s *session) identity() (id hub.Identity, open bool) {
	s.replying.Lock()
	defer s.replying.Unlock()
	o := s.openingLocked()
	switch {
	case s.gone > 0:
		return id, false
	case o != nil:
		return o.id, true
	}
	return hub.Identity{User: s.member.User(), Owner: s.member.Owner(), Value: s.member.Value()}, true
}

// authenticated sets the next step after the program's answer.
func (a *request) authenticated(id hub.Identity, err error) {
	if err != nil {
		a.err = wire.ErrorOf(err, wire.Unauthorized)
	}
	a.id, a.step = &id, (*session).identify
}

// identify applies the program's answer to a token.
func (s *session) identify(a *request) {
	s.replying.Lock()
	first, gone := s.openingLocked() != nil, s.gone > 0
	s.replying.Unlock()
	switch {
	case gone:
		a.finish(nil, hub.ErrLeft)
	case !first && a.err != nil:
		a.finish(nil, a.err)
	case !first:
		s.renew(a)
	case a.err != nil:
		s.WebSocket().Close(authCode(a.err), a.err.Message)
		a.finish(nil, a.err)
	default:
		s.openWith(a)
	}
}

// authCode returns the code for closing a connection whose token is refused.
func authCode(e *wire.Error) wsproto.Code {
	switch {
	case e.Temporary():
		return wsproto.TryAgainLater
	case e.Code == wire.Forbidden:
		return wire.CloseForbidden
	}
	return wire.CloseUnauthorized
}

// openWith opens the connection with the identity of its token.
func (s *session) openWith(a *request) {
	if err := s.end.checkIdentity(a.id); err != nil {
		code := wsproto.PolicyViolation
		if err.Status == http.StatusServiceUnavailable {
			code = wsproto.TryAgainLater
		}
		s.WebSocket().Close(code, err.Reason)
	} else if s.open(*a.id) {
		s.replying.Lock()
		s.openedLocked()
		s.replying.Unlock()
	}
	a.finish(&wire.Result{Expires: s.end.remaining(*a.id)}, nil) // unless the connection has closed
}

// renew gives the member the rights of a new token.
func (s *session) renew(a *request) {
	m := s.member
	if a.id.User != m.User() {
		a.finish(nil, wire.Errorf(wire.Forbidden, "the token belongs to another user: reconnect with it"))
		return
	}
	m.SetValue(a.id.Value)
	s.identified(m, *a.id)
	a.result = &wire.Result{Expires: s.end.remaining(*a.id)}
	s.beginRecheck(a)
}
