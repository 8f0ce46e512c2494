package wshub

import (
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Conn is a WebSocket connection as a subscriber of a hub: a hub.ConnSubscriber, for a single
// subscription or a hub.Member. Its encodings are those of NewEncoding. A program's own
// subscriber may embed a *Conn.
type Conn wsproto.Conn

// Subscriber returns c as a subscriber. It takes no memory, and that of the same connection
// is always the same.
func Subscriber(c *wsproto.Conn) *Conn { return (*Conn)(c) }

// WebSocket returns the connection.
func (c *Conn) WebSocket() *wsproto.Conn { return (*wsproto.Conn)(c) }

// Loop is that of the connection.
func (c *Conn) Loop() int { return c.WebSocket().Loop() }

// Send makes Conn a hub.Subscriber.
func (c *Conn) Send(e hub.Encoded) netpoll.Outcome {
	return c.WebSocket().SendPrepared(e.(*wsproto.Prepared))
}

// Write makes Conn a hub.ConnSubscriber.
func (c *Conn) Write(e hub.Encoded) (*netpoll.Conn, *netpoll.Buffer) {
	return c.WebSocket().Frames(e.(*wsproto.Prepared))
}

// WhenDrained is that of the connection.
func (c *Conn) WhenDrained(t interface{ Schedule() }) { c.WebSocket().WhenDrained(t) }

// Close closes the connection with the close code for a reason: see CloseCode.
func (c *Conn) Close(why hub.CloseReason) { c.WebSocket().Close(CloseCode(why), why.Text) }

// CheckEncoding makes Conn a hub.EncodingChecker.
func (c *Conn) CheckEncoding(e hub.Encoding) error { return checkEncoding(e) }
