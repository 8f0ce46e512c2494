package wsproto

import (
	"fmt"
	"os"
	"time"
)

// ErrReadDeadline says that the time set with SetReadDeadline is over. It wraps
// os.ErrDeadlineExceeded.
var ErrReadDeadline = fmt.Errorf("wsproto: the read deadline has passed: %w", os.ErrDeadlineExceeded)

// SetReadDeadline ends the connection at t, unless it is called again before. Called in
// OnOpen it bounds the wait for the first message, in OnMessage the wait for the next. The
// zero time means never. The peer gets a close frame with PolicyViolation, OnClose an error
// that wraps ErrReadDeadline. The precision is that of Server.Engine.Sweep. Pings and pongs
// do not move the deadline. The first call for a connection costs about 120 bytes, for the
// life of the connection.
//
// Pings find dead peers without it. There is no deadline for writes, because writes do not
// wait: see [Outcome].
func (c *Conn) SetReadDeadline(t time.Time) {
	if t.IsZero() && c.extra.Load() == nil {
		return
	}
	x := c.extras()
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case c.flags.Load()&flagClosed != 0:
		return // the deadline of the closing handshake remains
	case x.deadlines != nil:
		x.deadlines.read = t
	case t.IsZero():
		return
	default:
		x.deadlines = &deadlines{read: t, ping: c.pingDue()}
	}
	// A deadline that is due already is not put off, however often this is called.
	if d := x.deadlines.next(); d == time.Millisecond {
		c.hastenLocked(d)
	} else {
		c.setDeadlineLocked(d)
	}
}

// pingDue returns when keepAlive is due if the interval begins now. Until the first read
// deadline of a connection only the engine knows of the interval under way.
func (c *Conn) pingDue() time.Time {
	if c.endpoint.ping <= 0 {
		return time.Time{}
	}
	if c.flags.Load()&flagPinged != 0 {
		return time.Now().Add(c.endpoint.pong)
	}
	return time.Now().Add(c.endpoint.interval())
}

// arm sets keepAlive to be due after d, or never if d is 0.
func (c *Conn) arm(d time.Duration) {
	if c.extra.Load() == nil {
		c.setDeadlineLocked(d)
		if c.extra.Load() == nil { // so a read deadline that is set now is set after ours
			return
		}
	}
	x := c.extra.Load()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.deadlines != nil {
		x.deadlines.ping = time.Time{}
		if d > 0 {
			x.deadlines.ping = time.Now().Add(d)
		}
		d = x.deadlines.next()
	}
	c.setDeadlineLocked(d)
}

// hasten sets keepAlive to be due after d at the latest: an earlier time remains. Otherwise
// messages that come in parts, one after another, would put off the ping for ever.
func (c *Conn) hasten(d time.Duration) {
	if x := c.extra.Load(); x != nil {
		x.mu.Lock()
		defer x.mu.Unlock()
		if at := time.Now().Add(d); x.deadlines != nil && (x.deadlines.ping.IsZero() || at.Before(x.deadlines.ping)) {
			x.deadlines.ping = at
		}
	}
	c.hastenLocked(d)
}

// setDeadlineLocked sets the deadline of an open connection, unless Close was called
// meanwhile: then the deadline of the closing handshake remains.
func (c *Conn) setDeadlineLocked(d time.Duration) {
	c.io.SetDeadline(d)
	if c.flags.Load()&flagClosed != 0 {
		c.io.SetDeadline(c.endpoint.closeTimeout)
	}
}

// hastenLocked is setDeadlineLocked, but an earlier deadline remains.
func (c *Conn) hastenLocked(d time.Duration) {
	c.io.HastenDeadline(d)
	if c.flags.Load()&flagClosed != 0 {
		c.io.SetDeadline(c.endpoint.closeTimeout)
	}
}
