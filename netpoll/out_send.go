//go:build linux

package netpoll

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll/internal/sys"
)

// sendLocked sends bytes as they go over the wire, and enqueues what the socket does not take, or
// all of them if the queue is not empty. The caller has flushed gathered bytes that must go first.
func (c *Conn) sendLocked(head, body []byte, shared *Buffer, flags int) (failed bool) {
	if c.queueLocked() != nil {
		if len(head)+len(body) > 0 { // outQueue.send would never get past an empty segment
			return c.enqueueLocked(head, body, shared, 0)
		}
		return false
	}
	var took int
	var errno syscall.Errno
	if len(head) == 0 {
		took, errno = sys.Send(c.fd, body, flags)
	} else {
		iov := [2]unix.Iovec{sys.Iovec(head), sys.Iovec(body)}
		took, errno = sys.Sendv(c.fd, iov[:])
	}
	return c.settleLocked(head, body, shared, took, errno)
}

// settleLocked handles the socket's answer to a send: it enqueues what the socket did not
// take, and ends the connection on an error.
func (c *Conn) settleLocked(head, body []byte, shared *Buffer, took int, errno syscall.Errno) (failed bool) {
	if errno == unix.EAGAIN {
		took = 0
	} else if errno != 0 {
		c.closeWithLocked(dying, errno)
		return true
	}
	c.loop.bytesOut.Add(int64(took))
	if took < len(head)+len(body) {
		return c.enqueueLocked(head, body, shared, took)
	}
	return false
}

// wideLowat is the TCP_NOTSENT_LOWAT, in bytes, of a connection that is wide.
const wideLowat = 1 << 20

// widenLocked makes the kernel take as much as it can of large writes, or ends that.
// Options.NotSentLowat is meant for shared buffers, of which the kernel would have a copy for each
// connection. Bytes that would otherwise be copied into the queue cost as much memory there, and
// with a low mark every few tens of KiB of them take a turn.
func (c *Conn) widenLocked(wide bool) {
	o := &c.loop.engine.opts
	if c.wide == wide || o.NotSentLowat >= wideLowat {
		return
	}
	c.wide = wide
	lowat := o.NotSentLowat
	if wide {
		lowat = wideLowat
	}
	_ = unix.SetsockoptInt(int(c.fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, lowat) // a hint
}

// enqueueLocked enqueues head and body except for their first took bytes. It fails if
// all connections then hold too much and c is closed for that.
func (c *Conn) enqueueLocked(head, body []byte, shared *Buffer, took int) (failed bool) {
	o := c.beginQueueLocked()
	before, held := o.bytes, o.held
	skip := min(took, len(head))
	if shared != nil {
		c.widenLocked(false)
		if skip < len(head) {
			o.copyIn(head[skip:], nil)
		}
		o.add(shared)
		if took > skip { // then shared is the first in the queue
			o.advance(took - skip)
		}
	} else {
		o.copyIn(head[skip:], body[took-skip:])
	}
	c.loop.queued.Add(int64(o.bytes - before))
	ph := c.phase
	c.weighLocked(o.held - held)
	return c.phase != ph
}

// enqueueLocked makes another caller's write wait.
func (x *Exclusive) enqueueLocked(head, body []byte, shared *Buffer) Outcome {
	c := x.conn
	n := len(head) + len(body)
	if n > c.loop.engine.opts.MaxPending-c.pendingLocked() {
		return Full
	}
	if n == 0 {
		return Queued
	}
	if x.behind == nil {
		x.behind = new(outQueue)
	}
	held := x.behind.held
	if shared != nil {
		x.behind.add(shared)
	} else {
		x.behind.copyIn(head, body)
	}
	c.loop.queued.Add(int64(n))
	c.weighLocked(x.behind.held - held)
	if c.phase == dying {
		return Closed
	}
	return Queued
}
