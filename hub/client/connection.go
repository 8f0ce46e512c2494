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

// connection is one connection of a client, and its handler. Events of a connection that is no
// longer the client's current one are ignored.
type connection struct {
	client  *Client
	ws      atomic.Pointer[wsproto.Conn] // nil until it is open
	greeted bool                         // the hello has arrived
}

func (conn *connection) OnOpen(ws *wsproto.Conn, r *wsproto.Request) {
	conn.ws.Store(ws)
	if r.Subprotocol != wire.Protocol {
		conn.failed(wsproto.ProtocolError, ErrProtocol)
		return
	}
	ws.SetReadDeadline(time.Now().Add(conn.client.opts.Timeout)) // for the hello
	conn.client.sendToken(ws)
	if !conn.client.has(conn) { // abandoned in the meantime
		conn.close(wsproto.GoingAway, "")
	}
}

func (conn *connection) OnMessage(ws *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	e, err := wire.ParseEvent(payload)
	if op != wsproto.Text {
		e, err = wire.Event{}, errors.New("wire: the message is binary; it must be text")
	}
	switch {
	case !conn.greeted && e.Reply != nil && e.Reply.Error != nil: // the token was refused
		conn.failed(wsproto.NormalClosure, e.Reply.Error)
	case !conn.greeted && (err != nil || e.Hello == nil):
		conn.failed(wsproto.ProtocolError, ErrProtocol)
	case errors.Is(err, wire.ErrNoEvent): // an event of a later version
	case err != nil:
		conn.client.skipUnreadable(conn, &e, err, len(payload))
		conn.client.callbacks.waitForRoom()
	case e.Hello != nil && !conn.greeted:
		conn.greeted = true
		ws.SetReadDeadline(time.Time{})
		conn.client.connected(conn, e.Hello)
	default:
		conn.client.dispatch(conn, &e, len(payload))
		conn.client.callbacks.waitForRoom()
	}
}

func (conn *connection) OnClose(_ *wsproto.Conn, err *wsproto.CloseError) {
	conn.client.disconnected(conn, err)
}

func (conn *connection) failed(code wsproto.Code, err error) {
	conn.close(code, "")
	conn.client.disconnected(conn, err)
}

// close closes the connection if it is open.
func (conn *connection) close(code wsproto.Code, reason string) {
	if ws := conn.ws.Load(); ws != nil {
		ws.Close(code, reason)
	}
}

// has reports whether conn is the client's current connection.
func (c *Client) has(conn *connection) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current == conn
}

// skipUnreadable reports a message that cannot be parsed. If it is a reply, its call fails.
func (c *Client) skipUnreadable(conn *connection, e *wire.Event, err error, size int) {
	err = fmt.Errorf("%w: %w", ErrUnreadable, err)
	first := c.unreadable.Add(1) == 1
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != conn {
		return
	}
	if e.Reply != nil {
		c.completeLocked(e.Reply.ID, nil, err)
	}
	if f := c.opts.OnUnreadable; f != nil {
		c.callbacks.add(size, func() { f(err) })
	} else if first || time.Since(c.lastWarning) > time.Minute {
		c.lastWarning = time.Now()
		slog.Warn("fanfare client: skipped an unreadable message", "error", err, "skipped", c.Unreadable())
	}
}

// Unreadable returns the number of messages of the server that the client could not parse.
func (c *Client) Unreadable() int64 { return c.unreadable.Load() }

// dispatch handles an event of the server.
func (c *Client) dispatch(conn *connection, e *wire.Event, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != conn {
		return
	}
	switch {
	case e.Message != nil:
		c.messageLocked(e.Message, size)
	case e.Reply != nil && e.Reply.Error != nil:
		c.completeLocked(e.Reply.ID, nil, e.Reply.Error)
	case e.Reply != nil:
		c.completeLocked(e.Reply.ID, e.Reply.OK, nil)
	case e.Change != nil:
		if s := c.subs[e.Change.Topic]; s != nil && s.live {
			s.presenceLocked(e.Change.Joined, e.Change.Left, size)
		}
	case e.Dropped != nil:
		if s := c.subs[e.Dropped.Topic]; s != nil && s.live {
			s.notifyLocked(size, bind(s.opts.OnDrop, e.Dropped.Messages))
		}
	case e.End != nil:
		if s := c.subs[e.End.Topic]; s != nil && s.live {
			s.endLocked(&wsproto.CloseError{Code: wsproto.Code(e.End.Code), Reason: e.End.Reason, Remote: true})
		}
	}
}

// messageLocked passes a message to its subscription, or to OnMessage.
func (c *Client) messageLocked(m *wire.Message, size int) {
	if f := c.opts.OnMessage; m.Topic != "" && m.Topic[0] == '@' { // sent to the user
		if f != nil {
			c.callbacks.add(size, func() { f(Message{Message: *m}) })
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

// bind returns a function that calls f with v, or nil if f is nil.
func bind[T any](f func(T), v T) func() {
	if f == nil {
		return nil
	}
	return func() { f(v) }
}
