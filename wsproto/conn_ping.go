package wsproto

import (
	"math/rand/v2"
	"time"
)

// interval returns the time from a sign of life to the next ping. The engine checks deadlines
// once per sweep, so a deadline that is one sweep earlier has the ping sent in time.
func (s *endpoint) interval() time.Duration {
	if s.ping <= 0 {
		return 0
	}
	return max(s.ping-s.sweep, s.ping/2)
}

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
