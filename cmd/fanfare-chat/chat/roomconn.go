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

// roomConn is a connection to one room, by its URL: it gets what is said there, and what it
// sends, as text, is said. There is one for each such client, so it is small. It is the
// hub's Subscriber, so that the walks of leave and closeLogin know whose it is.
type roomConn struct {
	*wshub.Conn
	chat  *Chat
	sub   hub.Subscription
	user  int64
	login uint64 // the first bytes of its hash
}

// acceptRoomConn accepts members of the room. It has its place for both questions.
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
	r.Handler = &roomConn{chat: c, user: u.ID, login: short(l.Hash)}
	return nil
}

// short is enough of a login's hash to tell it from others.
func short(hash [32]byte) uint64 { return binary.BigEndian.Uint64(hash[:]) }

func (s *roomConn) OnOpen(conn *wsproto.Conn, r *wsproto.Request) {
	s.Conn = wshub.Subscriber(conn)
	c := s.chat
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

// closeWith closes the connection if there is an error: there is no other way to tell.
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
		conn.Close(wsproto.UnsupportedData, "what is said here is text, not binary")
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

// submit has something said as soon as the user may, and stored. Until then nothing more is
// read: the connection waits, and TCP slows the client down.
func (s *roomConn) submit(change store.Change) {
	c := s.chat
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

func (s *roomConn) OnClose(*wsproto.Conn, *wsproto.CloseError) { s.sub.Unsubscribe() }
