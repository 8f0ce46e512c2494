//go:build linux

package netpoll

import "time"

// SetDeadline sets the deadline to d from now: OnDeadline is called once, up to
// Options.Sweep later. A d of 0 or less means never; the largest d is 24 days. After Finish it does
// nothing, because the deadline then is the end of Finish's timeout.
func (c *Conn) SetDeadline(d time.Duration) {
	c.mu.Lock()
	if c.phase == live || c.phase == dialing {
		c.expireLocked(d)
	}
	c.mu.Unlock()
}

// HastenDeadline is SetDeadline for a d above 0, but keeps a deadline that comes earlier.
func (c *Conn) HastenDeadline(d time.Duration) {
	c.mu.Lock()
	if c.phase == live || c.phase == dialing {
		at, now := c.expires.Load(), c.loop.engine.clock.Read()
		if at == 0 || int32(now.After(d)-at) < 0 {
			c.expireLocked(d)
		}
	}
	c.mu.Unlock()
}

func (c *Conn) expireLocked(d time.Duration) {
	if d <= 0 {
		c.expires.Store(0)
		return
	}
	at, l := c.loop.engine.clock.Read().After(d), c.loop
	was := c.expires.Swap(at)
	if d < l.engine.opts.near() && (was == 0 || int32(at-was) < 0) {
		l.deadlines.add(c, max(leastFresh, int(l.engine.admission.open.Load())))
	}
}

// expired reports, once, whether the deadline has passed. The event of the sweep is
// only a hint: the deadline may have been moved or cleared since.
func (c *Conn) expired() bool {
	at := c.expires.Load()
	return at != 0 && c.loop.engine.clock.Read().Reached(at) && c.expires.CompareAndSwap(at, 0)
}

// IdleFor returns for how long the peer has sent nothing, and taken none of the pending
// output, to about a second.
func (c *Conn) IdleFor() time.Duration {
	d := int32(uint32(c.loop.engine.clock.Read()) - c.active.Load())
	return max(0, time.Duration(d)*time.Millisecond)
}
