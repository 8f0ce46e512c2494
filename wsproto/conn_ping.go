package wsproto

import (
	"math/rand/v2"
	"time"
)

// interval returns the time from a sign of life to the next ping. The engine looks at
// deadlines once in sweep, so a deadline set so much earlier has the ping sent in time.
func (s *endpoint) interval() time.Duration {
	if s.ping <= 0 {
		return 0
	}
	return max(s.ping-s.sweep, s.ping/2)
}

// armFirst sets the time of the first ping: up to a quarter of the interval early, so that
// clients who came together are not pinged together.
func (c *Conn) armFirst() {
	d := c.endpoint.interval()
	c.arm(d - rand.N(d/4+1))
}

// keepAlive pings the peer, also one that sends: a proxy in between may cut a connection
// on which the server is silent. It gives up a peer that does not answer. One that is not
// read, because the handler has no room, cannot be heard: it has all the time.
func (c *Conn) keepAlive() {
	s := c.endpoint
	switch flags := c.flags.Load(); {
	case c.io.Held():
		c.armTurn(s.interval())
	case flags&flagPinged == 0 && s.ping <= 0:
		c.armTurn(0)
	case flags&flagPinged == 0:
		if c.write(Ping, nil, 0).OK() { // else there is too much before it
			c.flags.Or(flagPinged)
		}
		c.arm(s.pong)
	case c.flags.Or(flagSilent)&flagSilent == 0:
		c.arm(time.Millisecond) // the answer may be there, and this turn still to read it
	case c.io.Pending() > 0 && c.io.IdleFor() < s.pong: // it takes what is before the ping
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
