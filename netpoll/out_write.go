//go:build linux

package netpoll

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Outcome is what became of a write.
type Outcome uint8

const (
	// Sent: the kernel has all of it.
	Sent Outcome = iota
	// Queued: it is pending and leaves by itself, after all that was before it.
	Queued
	// Full: refused, because with it more than Options.MaxPending bytes would
	// be pending. Nothing of it was written.
	Full
	// Closed: refused, because the connection is closed or about to be.
	Closed
)

// OK reports whether the bytes were taken.
func (o Outcome) OK() bool { return o <= Queued }

func (o Outcome) String() string {
	switch o {
	case Sent:
		return "sent"
	case Queued:
		return "queued"
	case Full:
		return "full"
	case Closed:
		return "closed"
	}
	return "unknown"
}

// Write sends head and then body, either of which may be nil; they are the
// caller's again when it returns.
func (c *Conn) Write(head, body []byte) Outcome {
	c.mu.Lock()
	if c.phase == live && c.access == accessOpen && c.gatherLocked(head, body) {
		c.mu.Unlock()
		return Queued
	}
	res, failed := c.writeLocked(head, body, nil)
	c.mu.Unlock()
	if failed {
		c.notify(evClose)
	}
	return res
}

// gatherLocked reports whether the turn under way, if there is one, has taken head and
// body: it sends them when it ends.
func (c *Conn) gatherLocked(head, body []byte) bool {
	g := c.gathererLocked()
	if g == nil || len(g.gathered)+len(head)+len(body) > cap(g.gathered) {
		return false
	}
	g.gathered = append(append(g.gathered, head...), body...)
	return true
}

// WriteBuffer sends b. What the socket does not take is queued by reference.
func (c *Conn) WriteBuffer(b *Buffer) Outcome {
	c.mu.Lock()
	res, failed := c.writeLocked(nil, b.b, b)
	c.mu.Unlock()
	if failed {
		c.notify(evClose)
	}
	return res
}

// WriteLast sends p after all that was written before, whatever is pending, and
// has every later write refused; reading goes on. OnClose will get err, unless an
// error was given before. It reports whether it was the first call on an open
// connection; else p is not sent.
func (c *Conn) WriteLast(p []byte, err error) bool {
	c.mu.Lock()
	if c.phase != live || c.access == accessSealed {
		c.mu.Unlock()
		return false
	}
	failed := !c.gatherLocked(nil, p) && c.writeAllLocked(nil, p, nil)
	c.dropBehindLocked()
	c.access = accessSealed
	if r := c.coldLocked(); r.err == nil {
		r.err = err
	}
	c.drainedLocked()
	c.mu.Unlock()
	if failed {
		c.notify(evClose)
	}
	return true
}

// writeLocked is the slow half of a write: to the socket if nothing is pending,
// to the queue else. shared is body if that is a buffer that may be kept. failed
// asks the caller to schedule a turn, which closes the connection.
func (c *Conn) writeLocked(head, body []byte, shared *Buffer) (res Outcome, failed bool) {
	if c.phase != live || c.access == accessSealed {
		return Closed, false
	}
	if c.access == accessReserved {
		return c.cold.exclusive.enqueueLocked(head, body, shared), false
	}
	return c.writeBoundedLocked(head, body, shared)
}

// writeBoundedLocked is writeLocked for a caller that no reservation keeps out.
func (c *Conn) writeBoundedLocked(head, body []byte, shared *Buffer) (res Outcome, failed bool) {
	// What was gathered goes first: only what the socket refuses is pending.
	if c.flushGatherLocked() {
		return Closed, true
	}
	if len(head)+len(body) > c.loop.engine.opts.MaxPending-c.unsentLocked() {
		return Full, false
	}
	failed = c.writeAllLocked(head, body, shared)
	return c.outcomeLocked(failed), failed
}

// outcomeLocked is that of a write that nothing was pending before.
func (c *Conn) outcomeLocked(failed bool) Outcome {
	switch {
	case failed:
		return Closed
	case c.queueLocked() == nil:
		return Sent
	}
	return Queued
}

// writeAllLocked writes whatever is pending, after what was gathered.
func (c *Conn) writeAllLocked(head, body []byte, shared *Buffer) (failed bool) {
	if c.flushGatherLocked() {
		return true
	}
	if shared == nil && len(body) >= pieceSize {
		c.widenLocked(true)
	}
	return c.passLocked(head, body, shared, 0)
}

// sendLocked gives the socket bytes as they go over the wire, and enqueues what it does not take, or
// all of them if others wait already. Nothing is gathered that has to go first.
func (c *Conn) sendLocked(head, body []byte, shared *Buffer, flags int) (failed bool) {
	if c.queueLocked() != nil {
		if len(head)+len(body) > 0 { // nothing is nothing to wait for: send would never get past it
			return c.enqueueLocked(head, body, shared, 0)
		}
		return false
	}
	var took int
	var errno syscall.Errno
	if len(head) == 0 {
		took, errno = send(c.fd, body, flags)
	} else {
		iov := [2]unix.Iovec{iovec(head), iovec(body)}
		took, errno = sendv(c.fd, iov[:])
	}
	return c.settleLocked(head, body, shared, took, errno)
}

// settleLocked takes note of what the socket answered, and enqueues what it did not
// take.
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

// widenLocked has the kernel take as much as it can of large writes. Options.NotSentLowat
// is for what connections share, of which the kernel would have a copy for each;
// what would else be copied into the queue costs the same there, and with a low
// mark it takes a turn for every few tens of KiB.
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

// enqueueLocked queues what is left of head and body after their first took
// bytes. It fails if that is too much for all together, and c has to go.
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
		if took > skip { // then it is the first in the queue
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

// flushLocked sends what is queued. When all is gone the queue goes too, and a
// connection that was held back reads on: the caller sees to the events returned.
func (c *Conn) flushLocked() (events uint32) {
	o := c.queueLocked()
	if o == nil {
		return 0
	}
	held := o.held
	sent, errno := o.send(c.fd)
	c.loop.queued.Add(-int64(sent))
	c.weighLocked(o.held - held)
	if sent > 0 { // who takes something is alive, even while it is not read
		c.active.Store(c.loop.engine.clock.coarse.Load())
	}
	c.loop.bytesOut.Add(int64(sent))
	if errno != 0 {
		c.closeWithLocked(dying, errno)
		return evClose
	}
	if o.bytes == 0 {
		c.endQueueLocked()
		if c.access == accessReserved {
			c.cold.exclusive.wake()
		}
		if c.cold != nil {
			c.tidyLocked()
		}
	}
	if c.held&heldByPeer != 0 && o.bytes <= c.loop.engine.opts.MaxPending/2 {
		c.held &^= heldByPeer
		return evRead
	}
	return 0
}

// flushStuck does for a connection whose handler blocks on w what the end of the turn,
// or the next, would do: the bytes shall not wait for it.
func (c *Conn) flushStuck(w *worker) {
	var events uint32
	c.mu.Lock()
	c.endGatheringLocked(w, false)
	if c.state.Load()&evWrite != 0 && !c.isDirectLocked() {
		c.state.And(^evWrite)
		events = c.flushLocked()
	}
	c.drainedLocked()
	c.mu.Unlock()
	if events != 0 {
		c.notify(events)
	}
}

// flushGatherLocked sends what a worker has gathered, if it gathers. The gathering goes on
// if nothing is left.
func (c *Conn) flushGatherLocked() (failed bool) {
	g := c.gathererLocked()
	if g == nil || len(g.gathered) == 0 {
		return false
	}
	return c.passLocked(nil, g.takeGathered(), nil, 0)
}

// endGatheringLocked ends the gathering on w, if c takes part in it. Before the end of our
// side, last, the kernel waits for that: both leave in one segment, but with TLS.
func (c *Conn) endGatheringLocked(w *worker, last bool) {
	p := c.endGatherLocked(&w.out)
	if len(p) == 0 {
		return
	}
	flags := 0
	if last {
		flags = unix.MSG_MORE
	}
	c.passLocked(nil, p, nil, flags)
}
