//go:build linux

package netpoll

import "golang.org/x/sys/unix"

// queueLocked returns the connection's queue; nil if nothing waits for the socket.
func (c *Conn) queueLocked() *outQueue {
	if o := c.out; o != nil && o.gathered == nil {
		return &o.outQueue
	}
	return nil
}

// gathererLocked returns the worker's buffer in which the turn under way gathers; nil if no
// turn does.
func (c *Conn) gathererLocked() *output {
	if o := c.out; o != nil && o.gathered != nil {
		return o
	}
	return nil
}

// isDirectLocked reports whether a write sends at once.
func (c *Conn) isDirectLocked() bool { return c.out == nil }

// unsentLocked returns the number of bytes that are queued or gathered.
func (c *Conn) unsentLocked() int {
	switch o := c.out; {
	case o == nil:
		return 0
	case o.gathered != nil:
		return len(o.gathered)
	default:
		return o.bytes
	}
}

// beginQueueLocked returns the queue, and creates it if there is none, which ends the
// gathering.
func (c *Conn) beginQueueLocked() *outQueue {
	if c.queueLocked() == nil {
		c.out = new(output)
	}
	return &c.out.outQueue
}

// endQueueLocked drops the queue, which is empty.
func (c *Conn) endQueueLocked() { c.out = nil }

// beginGatherLocked makes writes gather in o, unless something is pending. It reports
// whether they do.
func (c *Conn) beginGatherLocked(o *output) bool {
	if c.out == nil {
		c.out = o
	}
	return c.out == o
}

// endGatherLocked ends the gathering in o, if c takes part in it, and returns the gathered
// bytes.
func (c *Conn) endGatherLocked(o *output) []byte {
	if c.out != o {
		return nil
	}
	c.out = nil
	return o.takeGathered()
}

// behindLocked returns the number of bytes that wait behind an Exclusive.
func (c *Conn) behindLocked() int {
	if c.access != accessReserved || c.cold == nil || c.cold.exclusive.behind == nil {
		return 0
	}
	return c.cold.exclusive.behind.bytes
}

func (c *Conn) pendingLocked() int {
	return c.behindLocked() + c.unsentLocked()
}

// Pending returns the number of bytes that wait to be sent: those
// in the queue (encrypted if there is TLS), those that the turn under way has gathered, and
// those that wait behind an Exclusive.
func (c *Conn) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pendingLocked()
}

// Untaken returns Pending plus the bytes that the kernel holds because the peer has not
// acknowledged them. It makes a system call.
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
