package chat

import (
	"crypto/rand"
	"encoding/binary"
	"net/http"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// roomConn is a connection to a single room: it receives the room's messages as JSON, and each text that
// it sends becomes a message. There is one for each such client, so it must be small. It is itself the
// hub's Subscriber, so that leave and closeLogin can tell whose it is.
type roomConn struct {
	*wshub.Conn
	addr  *addrConns
	sub   hub.Subscription
	user  int64
	login uint64 // the first bytes of its hash
}

// acceptRoomConn accepts members of the room. It keeps its place during both queries of the store.
func (c *Chat) acceptRoomConn(r *wsproto.Request, room int64) error {
	release, err := c.admitHandshake(r)
	if err != nil {
		return err
	}
	defer release()
	l, u, err := c.authenticate(r)
	if err != nil {
		return err
	}
	if err := c.checkMembership(u.ID, room); err != nil {
		e := wire.ErrorOf(err, wire.Forbidden)
		status := http.StatusForbidden
		if e.Code == wire.Unavailable {
			status = http.StatusServiceUnavailable
		}
		return wsproto.Refuse(status, e.Message)
	}
	a, err := c.countConn(r, u.ID)
	if err != nil {
		r.Handler = c.refuseConn(err)
		return nil
	}
	r.Handler = &roomConn{addr: a, user: u.ID, login: short(l.Hash)}
	return nil
}

// short returns the first bytes of a login's hash, which suffice to identify it.
func short(hash [32]byte) uint64 { return binary.BigEndian.Uint64(hash[:]) }

func (s *roomConn) OnOpen(conn *wsproto.Conn, r *wsproto.Request) {
	s.Conn = wshub.Subscriber(conn)
	c := s.addr.chat
	room, _ := parseRoom(r.Path(), roomsPath)
	_, err := c.hub.Subscribe(roomTopic(room), &s.sub, s, hub.SubscribeOptions{Encoding: wshub.Plain})
	if err != nil {
		conn.Close(session.CloseCode(err), wire.Plain(err))
		return
	}
	if c.ended.hasShort(s.login) {
		s.Close(loggedOut)
		return
	}
	c.jobs.add(s.user, func() { s.closeWith(c.checkMembership(s.user, room)) }, func(err error) { s.closeWith(c.wireError(err)) })
}

// closeWith closes the connection because of an error, unless it is nil. There is no other way to report
// an error on this connection.
func (s *roomConn) closeWith(err error) {
	if err == nil {
		return
	}
	code := removed.Code
	switch wire.ErrorOf(err, wire.Forbidden).Code {
	case wire.Unavailable, wire.Busy:
		code = int(wsproto.TryAgainLater)
	}
	s.Close(hub.CloseReason{Code: code, Text: wire.Plain(err)})
}

func (s *roomConn) OnMessage(conn *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	if op != wsproto.Text {
		conn.Close(wsproto.UnsupportedData, "a message must be text, not binary")
		return
	}
	text, err := cleanText(string(payload))
	if err != nil {
		conn.Close(wsproto.PolicyViolation, err.Error())
		return
	}
	room, _ := parseRoom(s.sub.Topic(), roomPrefix)
	s.submit(store.Change{Op: store.Send, Room: room, User: s.user, ClientID: rand.Text(), Text: text})
}

// submit waits until the user may send a message, and writes it to the commit log. Until it is stored
// the connection is not read, so TCP slows the client down.
func (s *roomConn) submit(change store.Change) {
	c := s.addr.chat
	wait, ok := c.rates.messages.Take(s.user, c.opts.Now(), maxRoomConnDelay)
	if !ok {
		s.closeWith(c.messageRateError(wait - maxRoomConnDelay))
		return
	}
	s.WebSocket().Hold()
	write := func() {
		c.commits.write(change, func(w commitResult) {
			s.closeWith(c.wireError(w.Err))
			s.WebSocket().Resume()
		})
	}
	if wait == 0 {
		write()
		return
	}
	time.AfterFunc(wait, write)
}

func (s *roomConn) OnClose(*wsproto.Conn, *wsproto.CloseError) {
	s.sub.Unsubscribe()
	s.addr.release(s.user)
}
