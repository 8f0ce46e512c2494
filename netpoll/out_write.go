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
	o, n := c.out, len(head)+len(body)
	if o == nil || !o.gathers() || len(o.gather)+n > cap(o.gather) {
		return false
	}
	o.gather = append(append(o.gather, head...), body...)
	o.bytes += n
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
	failed := !c.gatherLocked(nil, p) && c.putLocked(nil, p, nil)
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
		return c.cold.exclusive.queueLocked(head, body, shared), false
	}
	return c.sendLocked(head, body, shared)
}

// sendLocked is writeLocked for those whom no reservation keeps out.
func (c *Conn) sendLocked(head, body []byte, shared *Buffer) (res Outcome, failed bool) {
	// What was gathered goes first: only what the socket refuses is pending.
	if o := c.out; o != nil && o.gathers() && c.flushGatherLocked(o) {
		return Closed, true
	}
	pending := 0
	if c.out != nil {
		pending = c.out.bytes
	}
	if len(head)+len(body) > c.loop.engine.opts.MaxPending-pending {
		return Full, false
	}
	failed = c.putLocked(head, body, shared)
	return c.outcomeLocked(failed), failed
}

// outcomeLocked is that of a write that nothing was pending before.
func (c *Conn) outcomeLocked(failed bool) Outcome {
	switch {
	case failed:
		return Closed
	case c.out == nil || c.out.gathers():
		return Sent
	}
	return Queued
}

// putLocked sends or queues, whatever is pending.
func (c *Conn) putLocked(head, body []byte, shared *Buffer) (failed bool) {
	if o := c.out; o != nil && o.gathers() && c.flushGatherLocked(o) {
		return true
	}
	if shared == nil && len(body) >= pieceSize {
		c.widenLocked(true)
	}
	if s := c.secureLocked(); s != nil {
		return c.sealLocked(s, head, body)
	}
	return c.putRawLocked(head, body, shared)
}

// putRawLocked is putLocked for bytes as they go over the wire, when nothing is
// gathered that has to go first.
func (c *Conn) putRawLocked(head, body []byte, shared *Buffer) (failed bool) {
	if c.out != nil && !c.out.gathers() {
		if len(head)+len(body) > 0 { // nothing is nothing to wait for: write would never get past it
			return c.enqueueLocked(head, body, shared, 0)
		}
		return false
	}
	var took int
	var errno syscall.Errno
	if len(head) == 0 {
		took, errno = send(c.fd, body, 0)
	} else {
		iov := [2]unix.Iovec{iovec(head), iovec(body)}
		took, errno = sendv(c.fd, iov[:])
	}
	return c.sentLocked(head, body, shared, took, errno)
}

// sentLocked takes note of what the socket answered, and queues what it did not
// take.
func (c *Conn) sentLocked(head, body []byte, shared *Buffer, took int, errno syscall.Errno) (failed bool) {
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
	if c.out == nil || c.out.gathers() {
		c.out = new(outbound)
	}
	o, before, held := c.out, c.out.bytes, c.out.held
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
	o := c.out
	if o.gathers() {
		return 0
	}
	held := o.held
	sent, errno := o.write(c.fd)
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
		c.out = nil
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
	c.releaseLocked(w, false)
	if c.out != nil && c.state.Load()&evWrite != 0 {
		c.state.And(^evWrite)
		events = c.flushLocked()
	}
	c.drainedLocked()
	c.mu.Unlock()
	if events != 0 {
		c.notify(events)
	}
}

// flushGatherLocked sends what a worker gathered and queues what is left as the
// connection's own. The gathering goes on if nothing is left.
func (c *Conn) flushGatherLocked(o *outbound) (failed bool) {
	p := o.gather
	o.gather, o.bytes = o.gather[:0], 0
	if len(p) == 0 {
		return false
	}
	if s := c.secureLocked(); s != nil {
		return c.sealLocked(s, nil, p)
	}
	took, errno := send(c.fd, p, 0)
	return c.sentLocked(nil, p, nil, took, errno)
}

// releaseLocked ends the gathering on w, if c takes part in it. Before the end of our
// side, last, the kernel waits for that: both leave in one segment, but with TLS.
func (c *Conn) releaseLocked(w *worker, last bool) {
	o := &w.out
	if c.out != o {
		return
	}
	c.out = nil
	p := o.gather
	if len(p) == 0 {
		return
	}
	o.gather, o.bytes = p[:0], 0
	if s := c.secureLocked(); s != nil {
		c.sealLocked(s, nil, p)
		return
	}
	flags := 0
	if last {
		flags = unix.MSG_MORE
	}
	took, errno := send(c.fd, p, flags)
	if took == len(p) { // nearly always: spare it the call
		c.loop.bytesOut.Add(int64(took))
		return
	}
	c.sentLocked(nil, p, nil, took, errno)
}
