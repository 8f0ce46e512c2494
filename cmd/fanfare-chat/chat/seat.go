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
	"github.com/fanfare-ws/fanfare/wsproto"
)

// seat is a connection to one room, by its URL: it gets what is said there, and what it
// sends, as text, is said. There is one for each such client, so it is small. It is the
// hub's Subscriber, so that the walks of leave and endLogin know whose it is.
type seat struct {
	*wsproto.Conn
	chat  *Chat
	sub   hub.Subscription
	user  int64
	login uint64 // the first bytes of its hash
}

// acceptSeat accepts members of the room. It has its place for both questions.
func (c *Chat) acceptSeat(r *wsproto.Request, room int64) error {
	leave, err := c.mayEnter(r)
	if err != nil {
		return err
	}
	defer leave()
	l, u, err := c.who(r)
	if err != nil {
		return err
	}
	if err := c.mayHear(u.ID, room); err != nil {
		e := wire.ErrorOf(err, wire.Forbidden)
		status := http.StatusForbidden
		if e.Code == wire.Unavailable {
			status = http.StatusServiceUnavailable
		}
		return wsproto.Refuse(status, e.Message)
	}
	r.Handler = &seat{chat: c, user: u.ID, login: short(l.Hash)}
	return nil
}

// short is enough of a login's hash to tell it from others.
func short(hash [32]byte) uint64 { return binary.BigEndian.Uint64(hash[:]) }

func (s *seat) OnOpen(conn *wsproto.Conn, r *wsproto.Request) {
	s.Conn = conn
	c := s.chat
	room, _ := roomIn(r.Path(), roomsPath)
	_, err := c.hub.Subscribe(roomTopic(room), &s.sub, s, hub.SubscribeOptions{})
	if err != nil {
		conn.Close(session.CloseCode(err), wire.Plain(err))
		return
	}
	if c.ended.hasShort(s.login) {
		conn.Close(loggedOut, loggedOutReason)
		return
	}
	c.jobs.add(s.user, func() { s.refuse(c.mayHear(s.user, room)) }, func(err error) { s.refuse(c.refusal(err)) })
}

// refuse closes the connection if there is an error: there is no other way to tell.
func (s *seat) refuse(err error) {
	if err == nil {
		return
	}
	code := removed
	switch wire.ErrorOf(err, wire.Forbidden).Code {
	case wire.Unavailable, wire.Busy:
		code = wsproto.TryAgainLater
	}
	s.Conn.Close(code, wire.Plain(err))
}

func (s *seat) OnMessage(conn *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	if op != wsproto.Text {
		conn.Close(wsproto.UnsupportedData, "what is said here is text, not binary")
		return
	}
	text, err := cleanText(string(payload))
	if err != nil {
		conn.Close(wsproto.PolicyViolation, err.Error())
		return
	}
	room, _ := roomIn(s.sub.Topic(), roomPrefix)
	s.say(store.Change{Act: store.Send, Room: room, User: s.user, Client: rand.Text(), Text: text})
}

// say has something said as soon as the user may, and stored. Until then nothing more is
// read: the connection waits, and TCP slows the client down.
func (s *seat) say(change store.Change) {
	c := s.chat
	wait, ok := c.rates.messages.Take(s.user, c.opts.Now(), slowestSeat)
	if !ok {
		s.refuse(c.tooFast(wait - slowestSeat))
		return
	}
	s.Conn.Hold()
	write := func() {
		c.scribe.write(change, func(w written) {
			s.refuse(c.refusal(w.Err))
			s.Conn.Resume()
		})
	}
	if wait == 0 {
		write()
		return
	}
	time.AfterFunc(wait, write)
}

func (s *seat) OnClose(*wsproto.Conn, *wsproto.CloseError) { s.sub.Unsubscribe() }
