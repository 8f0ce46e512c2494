//go:build linux

package netpoll

import "golang.org/x/sys/unix"

// Scheduler is work that is done soon after each Schedule, and never within it:
// Schedule may be called under locks, so it neither blocks nor calls a method of a
// [Conn]. [*Task] is one. An alias, so that a package which does not import this one
// can name the same type.
type Scheduler = interface{ Schedule() }

// WhenDrained calls s.Schedule once, as soon as nothing waits for the peer any more
// (see Pending): at once if that is so now, else at the end of the turn that has sent
// the last of it; what waits behind an [Exclusive] is part of it. So who had Queued, or
// Full, from a write, and calls it afterwards, is told in any case. On a connection that
// is closed, sealed by WriteLast, or detached, nothing is waited for: then it is called
// at once.
//
// There is one s at a time: another call replaces it, and nil takes it back; one that
// was replaced is not called. The connection refers to s until it calls it.
func (c *Conn) WhenDrained(s Scheduler) {
	c.mu.Lock()
	waits := s != nil && c.backlogLocked()
	if waits {
		c.coldLocked().drained = s
	} else if c.cold != nil {
		c.cold.drained = nil
		c.tidyLocked()
	}
	c.mu.Unlock()
	if !waits && s != nil {
		s.Schedule()
	}
}

// drainedLocked does what WhenDrained has promised, if that is due. It is called where
// the last that is pending may have left: at the end of a turn, which flushes, by the
// monitor in place of that, and by Release; and where the connection's phase or access
// changes so that it never will.
func (c *Conn) drainedLocked() {
	if r := c.cold; r != nil && r.drained != nil {
		c.tellDrainedLocked(r)
	}
}

func (c *Conn) tellDrainedLocked(r *cold) {
	if c.backlogLocked() {
		return
	}
	s := r.drained
	r.drained = nil
	c.tidyLocked()
	s.Schedule()
}

// backlogLocked reports whether there is something to wait for: bytes that are pending,
// and a time after them at which more can be written.
func (c *Conn) backlogLocked() bool {
	return c.phase == live && c.access != accessSealed && c.pendingLocked() > 0
}

// Pending returns the number of bytes that wait for the peer to take them: of those
// that are queued, encrypted if there is TLS, that the turn under way has gathered, and
// that wait behind an Exclusive.
func (c *Conn) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pendingLocked()
}

func (c *Conn) pendingLocked() int {
	return c.behindLocked() + c.unsentLocked()
}

// Untaken is Pending with what the kernel holds that the peer has not acknowledged. It
// takes a system call.
func (c *Conn) Untaken() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.pendingLocked()
	if c.phase >= live && c.phase < dying {
		if kernel, err := unix.IoctlGetInt(int(c.fd), unix.SIOCOUTQ); err == nil {
			n += kernel
		}
	}
	return n
}
