package wsproto

import (
	"math/rand/v2"
	"time"
)

// armFirst sets the time of the first ping: up to a quarter of the interval early, so that
// clients that connected together are not pinged together.
func (c *Conn) armFirst() {
	d := c.endpoint.interval()
	c.arm(d - rand.N(d/4+1))
}

// keepAlive pings the peer, even one that sends: a proxy in between may cut a connection on
// which the server is silent. It gives up a peer that does not answer. While the connection
// is held the peer is not read and cannot be heard, so its time does not pass.
func (c *Conn) keepAlive() {
	s := c.endpoint
	switch flags := c.flags.Load(); {
	case c.io.Held():
		c.armTurn(s.interval())
	case flags&flagPinged == 0 && s.ping <= 0:
		c.armTurn(0)
	case flags&flagPinged == 0:
		if c.write(Ping, nil, 0).OK() { // else too much is pending before it
			c.flags.Or(flagPinged)
			if s.server != nil {
				s.server.counters.pings.Add(1)
			}
		}
		c.arm(s.pong)
	case c.flags.Or(flagSilent)&flagSilent == 0:
		c.arm(time.Millisecond) // the answer may have come, for this turn to read
	case c.io.Pending() > 0 && c.io.IdleFor() < s.pong: // it is taking what was sent before the ping
		c.arm(s.pong)
	default:
		c.io.Close(&CloseError{Code: AbnormalClosure, Err: ErrPongTimeout})
	}
}

// heard is called for a sign of life of a peer that was pinged.
func (c *Conn) heard() {
	c.flags.And(^(flagPinged | flagSilent))
	c.armTurn(c.endpoint.interval())
}

// deadline is called when one of the deadlines of an open connection may be over.
func (c *Conn) deadline() {
	if c.checkMessage() {
		return
	}
	switch read, ping := c.due(); {
	case read:
		c.fail(PolicyViolation, "nothing came in time", ErrReadDeadline)
	case ping:
		c.keepAlive()
	}
}

// due reports which deadlines are over. If neither is, because the one that the engine woke
// for was moved, it sets the next.
func (c *Conn) due() (read, ping bool) {
	x := c.extra.Load()
	if x == nil {
		return false, true
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	d, now := x.deadlines, time.Now()
	if d == nil {
		return false, true
	}
	read = !d.read.IsZero() && !now.Before(d.read)
	ping = !d.ping.IsZero() && !now.Before(d.ping)
	if !read && !ping {
		c.setDeadlineLocked(d.next())
	}
	return read, ping
}
