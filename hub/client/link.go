package client

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// link is one connection of a client, as its handler. What one says that is not the
// client's any more is ignored.
type link struct {
	client *Client
	conn   atomic.Pointer[wsproto.Conn] // nil until it is open
	greets bool                         // the hello has come
}

func (l *link) OnOpen(conn *wsproto.Conn, r *wsproto.Request) {
	l.conn.Store(conn)
	if r.Subprotocol != wire.Protocol {
		l.fail(wsproto.ProtocolFault, ErrProtocol)
		return
	}
	conn.SetReadDeadline(time.Now().Add(l.client.opts.Timeout)) // for the hello
	if !l.client.has(l) {                                       // it was given up meanwhile
		l.hangUp(wsproto.GoingAway, "")
	}
}

func (l *link) OnMessage(conn *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	e, err := wire.ParseEvent(payload)
	if op != wsproto.Text {
		e, err = wire.Event{}, errors.New("wire: a binary message")
	}
	switch {
	case !l.greets && (err != nil || e.Hello == nil):
		l.fail(wsproto.ProtocolFault, ErrProtocol)
	case errors.Is(err, wire.ErrNoEvent): // of a later version
	case err != nil:
		l.client.skipped(l, &e, err, len(payload))
		l.client.events.await()
	case e.Hello != nil && !l.greets:
		l.greets = true
		conn.SetReadDeadline(time.Time{})
		l.client.opened(l, e.Hello)
	default:
		l.client.received(l, &e, len(payload))
		l.client.events.await()
	}
}

func (l *link) OnClose(_ *wsproto.Conn, err *wsproto.CloseError) {
	l.client.lost(l, err)
}

func (l *link) fail(code wsproto.Code, err error) {
	l.hangUp(code, "")
	l.client.lost(l, err)
}

// hangUp closes the connection, if it is open.
func (l *link) hangUp(code wsproto.Code, reason string) {
	if c := l.conn.Load(); c != nil {
		c.Close(code, reason)
	}
}

// has reports whether l is the client's connection.
func (c *Client) has(l *link) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link == l
}

// skipped reports a message that cannot be read. If it is a reply, its call has failed.
func (c *Client) skipped(l *link, e *wire.Event, err error, size int) {
	err = fmt.Errorf("%w: %w", ErrUnreadable, err)
	first := c.unreadable.Add(1) == 1
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != l {
		return
	}
	if e.Reply != nil {
		c.settleLocked(e.Reply.ID, nil, err)
	}
	if f := c.opts.OnUnreadable; f != nil {
		c.events.add(size, func() { f(err) })
	} else if first || time.Since(c.warned) > time.Minute {
		c.warned = time.Now()
		slog.Warn("a message was skipped", "error", err, "skipped", c.Unreadable())
	}
}

// Unreadable returns how many messages of the server's could not be read.
func (c *Client) Unreadable() int64 { return c.unreadable.Load() }

// received does what the server says.
func (c *Client) received(l *link, e *wire.Event, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != l {
		return
	}
	switch {
	case e.Message != nil:
		c.messageLocked(e.Message, size)
	case e.Reply != nil && e.Reply.Error != nil:
		c.settleLocked(e.Reply.ID, nil, e.Reply.Error)
	case e.Reply != nil:
		c.settleLocked(e.Reply.ID, e.Reply.OK, nil)
	case e.Change != nil:
		if s := c.subs[e.Change.Topic]; s != nil && s.live {
			s.changeLocked(e.Change.Joined, e.Change.Left, size)
		}
	case e.Dropped != nil:
		if s := c.subs[e.Dropped.Topic]; s != nil && s.live {
			s.tellLocked(size, bind(s.opts.OnDrop, e.Dropped.Messages))
		}
	case e.End != nil:
		if s := c.subs[e.End.Topic]; s != nil && s.live {
			s.failLocked(&wsproto.CloseError{Code: wsproto.Code(e.End.Code), Reason: e.End.Reason, Remote: true})
		}
	}
}

// messageLocked finds who gets a message.
func (c *Client) messageLocked(m *wire.Message, size int) {
	if f := c.opts.OnMessage; m.Topic != "" && m.Topic[0] == '@' { // the user's own
		if f != nil {
			c.events.add(size, func() { f(Message{Message: *m}) })
		}
		return
	}
	s := c.subs[m.Topic]
	if s == nil {
		for pattern, other := range c.subs {
			if other.pattern && overlap(pattern, m.Topic) {
				s = other
			}
		}
	}
	if s != nil {
		s.messageLocked(m, size)
	}
}

// bind returns a call of f, or nil if f is.
func bind[T any](f func(T), v T) func() {
	if f == nil {
		return nil
	}
	return func() { f(v) }
}
