package session

import (
	"net/http"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// TokenFollows reports whether the client sends its token in its first message, and not with the
// handshake: the URL has the parameter auth=message. Options.Identify should then not refuse a
// client without a token. It must still refuse whom it would refuse with any token.
func TokenFollows(r *wsproto.Request) bool {
	return strings.Contains(r.URI, "auth=") && r.Query().Get("auth") == "message"
}

// opening is what a connection needs until its hello.
type opening struct {
	id      hub.Identity
	token   bool        // the client sends a token first
	started bool        // the token has come
	timer   *time.Timer // of Options.AuthTimeout
}

// checkUnauthenticated returns nil if another connection may wait for its token, or else the
// refusal.
func (e *Endpoint) checkUnauthenticated() error {
	if e.opts.Authenticate == nil && e.opts.AuthenticateAsync == nil {
		return wsproto.Refuse(http.StatusBadRequest, "this server takes no tokens in messages: connect without auth=message")
	}
	if most := int64(e.opts.MaxUnauthenticated); most > 0 && e.unauthenticated.Load() >= most {
		refused := wsproto.Refuse(http.StatusServiceUnavailable, noTurn)
		refused.Header = http.Header{"Retry-After": {"5"}}
		return refused
	}
	return nil
}

// noTurn is the reason for refusing a connection when MaxUnauthenticated is reached.
const noTurn = "too many clients are being authenticated; try again later"

// awaitToken begins the wait for the token.
func (s *session) awaitToken() {
	s.replying.Lock()
	defer s.replying.Unlock()
	e := s.end
	if most := int64(e.opts.MaxUnauthenticated); e.unauthenticated.Add(1) > most && most > 0 {
		s.WebSocket().Close(wsproto.TryAgainLater, noTurn)
	}
	s.queue.opening.timer = time.AfterFunc(e.opts.AuthTimeout, s.tokenLate)
}

// tokenLate closes a connection that has not been identified in time.
func (s *session) tokenLate() {
	s.replying.Lock()
	defer s.replying.Unlock()
	switch o := s.openingLocked(); {
	case o == nil:
	case o.started:
		s.WebSocket().Close(wsproto.TryAgainLater, "the token was not checked in time")
	default:
		s.WebSocket().Close(wire.CloseUnauthorized, "no token has come within "+s.end.opts.AuthTimeout.String())
	}
}

// openingLocked returns what the connection needs until its hello; nil if that is over.
func (s *session) openingLocked() *opening {
	if s.queue == nil {
		return nil
	}
	return s.queue.opening
}

// openedLocked ends the wait for the token: the connection has been identified, or has closed.
func (s *session) openedLocked() {
	if o := s.openingLocked(); o != nil {
		s.queue.opening = nil
		if o.timer != nil {
			o.timer.Stop()
			s.end.unauthenticated.Add(-1)
		}
	}
}

// enqueueFirstLocked takes the first request of a client whose token follows. Nothing is read after
// it until it has been answered.
func (s *session) enqueueFirstLocked(o *opening, a *request) bool {
	if a.Do != wire.Auth || o.started {
		s.WebSocket().Close(wire.CloseUnauthorized, `the first message must be {"id":1,"do":"auth","token":"..."}`)
		return false
	}
	o.started = true
	a.step = (*session).authenticate
	s.queue.held = true
	s.WebSocket().Hold()
	return true
}

// open gives the connection its member and sends the hello. It returns false if the connection
// cannot open, which it then closes, or if it has closed.
func (s *session) open(id hub.Identity) bool {
	size := int64(len(id.Data))
	if !s.end.takeData(size) {
		s.WebSocket().Close(wsproto.TryAgainLater, noRoom)
		return false
	}
	m, err := s.end.hub.NewMember(s, id, hub.SubscribeOptions{Encoding: Encoding, Paused: true})
	if err != nil {
		s.end.data.Add(-size)
		s.WebSocket().Close(CloseCode(err), wire.Plain(err))
		return false
	}
	if !s.identified(m, id) {
		s.end.data.Add(-size)
		m.Leave()
		return false
	}
	s.sendOrClose((&wire.Hello{Protocol: wire.Protocol, Client: m.ID(), User: m.User(), Expires: s.end.remaining(id)}).Append(nil))
	s.resumeUser()
	return true
}

// identified makes m the session's member, unless the connection has closed, and calls
// Options.Identified. If the connection closes meanwhile, Options.Closed is called afterwards.
func (s *session) identified(m *hub.Member, id hub.Identity) bool {
	s.replying.Lock()
	if s.gone > 0 {
		s.replying.Unlock()
		return false
	}
	if s.member == nil {
		s.member, s.data = m, uint32(len(id.Data))
	}
	s.naming = true
	s.replying.Unlock()
	defer s.identifiedEnd(m)
	if f := s.end.opts.Identified; f != nil {
		f(m, id)
	}
	return true
}

func (s *session) identifiedEnd(m *hub.Member) {
	s.replying.Lock()
	s.naming = false
	gone := s.gone
	s.replying.Unlock()
	if gone > 0 {
		s.end.closed(m, gone)
	}
}

// closed calls Options.Closed.
func (e *Endpoint) closed(m *hub.Member, code wsproto.Code) {
	if f := e.opts.Closed; f != nil {
		f(m, code)
	}
}

// remaining returns how long id is valid, in the unit of the protocol; 0 if it does not expire.
func (e *Endpoint) remaining(id hub.Identity) int64 {
	if id.Expires.IsZero() {
		return 0
	}
	return wire.Milliseconds(id.Expires.Sub(e.opts.Now()))
}
