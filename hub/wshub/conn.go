package wshub

import (
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Conn is a WebSocket connection as a subscriber of a hub. It is a hub.ConnSubscriber, for a
// single subscription or a hub.Member. It supports the encodings that NewEncoding returns. A
// program's own subscriber may embed a *Conn.
type Conn wsproto.Conn

// Subscriber returns c as a subscriber. It takes no memory. For the same connection it is always
// the same subscriber.
func Subscriber(c *wsproto.Conn) *Conn { return (*Conn)(c) }

// WebSocket returns the connection.
func (c *Conn) WebSocket() *wsproto.Conn { return (*wsproto.Conn)(c) }

// Loop returns the event loop of the connection.
func (c *Conn) Loop() int { return c.WebSocket().Loop() }

// Send sends e to the connection. It is a method of hub.Subscriber.
func (c *Conn) Send(e hub.Encoded) netpoll.Outcome {
	return c.WebSocket().SendPrepared(e.(*wsproto.Prepared))
}

// Write returns the connection and the frames that Send would write. It is a method of
// hub.ConnSubscriber.
func (c *Conn) Write(e hub.Encoded) (*netpoll.Conn, *netpoll.Buffer) {
	return c.WebSocket().Frames(e.(*wsproto.Prepared))
}

// WhenDrained calls t.Schedule when the connection has drained: see wsproto.Conn.WhenDrained.
func (c *Conn) WhenDrained(t interface{ Schedule() }) { c.WebSocket().WhenDrained(t) }

// Close closes the connection with the close code for the reason: see CloseCode.
func (c *Conn) Close(why hub.CloseReason) { c.WebSocket().Close(CloseCode(why), why.Text) }

// CheckEncoding returns an error unless e is from NewEncoding. It is the method of
// hub.EncodingChecker.
func (c *Conn) CheckEncoding(e hub.Encoding) error { return checkEncoding(e) }
