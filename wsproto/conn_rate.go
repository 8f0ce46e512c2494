package wsproto

import "time"

// Take pays for a message of n bytes at the rate r, and returns 0 if it conforms. Otherwise
// nothing is paid, and the result is how long the peer must wait. The state is eight bytes of
// the connection, and goes with it through Leave and Enter. Only the connection's [Handler] may
// call Take, in OnOpen, OnMessage, OnPing or OnPong. The rate may be another one each time. A
// server with a Rate of its own takes each message before OnMessage, from the same credit.
func (c *Conn) Take(r *Rate, n int) (wait time.Duration) { return r.take(&c.paid, n, thisMoment()) }

// exceeds ends the connection if a message or control frame of n bytes came faster than
// Server.Rate allows, and reports whether it did.
func (c *Conn) exceeds(n int) bool {
	r := c.endpoint.messageRate.Load()
	if r == nil || c.flags.Load()&flagClosed != 0 || c.Take(r, n) == 0 {
		return false
	}
	s := c.endpoint.server
	s.counters.limited.messages.Add(1)
	c.fail(s.RateCode, "too many messages", ErrRate)
	return true
}
