//go:build linux

package netpoll

import "golang.org/x/sys/unix"

// Write writes head and then body, either of which may be nil. They belong to the
// caller again when it returns.
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

// gatherLocked gathers head and body if a turn is under way that gathers and has room for
// them. It reports whether it did; the turn sends them when it ends.
func (c *Conn) gatherLocked(head, body []byte) bool {
	g := c.gathererLocked()
	if g == nil || len(g.gathered)+len(head)+len(body) > cap(g.gathered) {
		return false
	}
	g.gathered = append(append(g.gathered, head...), body...)
	return true
}

// WriteBuffer writes b. It enqueues what the socket does not take by reference.
func (c *Conn) WriteBuffer(b *Buffer) Outcome {
	c.mu.Lock()
	res, failed := c.writeLocked(nil, b.b, b)
	c.mu.Unlock()
	if failed {
		c.notify(evClose)
	}
	return res
}

// WriteLast writes p after all earlier writes, however much is pending, and
// makes every later write Closed; reading goes on. OnClose will get err, unless an earlier
// call gave an error. WriteLast reports whether it was the first call on an open
// connection; if not, p is not written.
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

// writeLocked is the slow path of a write: it sends, or enqueues if something is pending.
// If shared is not nil, body is its content, and may be kept by reference. If failed, the
// caller must schedule a turn, which closes the connection.
func (c *Conn) writeLocked(head, body []byte, shared *Buffer) (res Outcome, failed bool) {
	if c.phase != live || c.access == accessSealed {
		return Closed, false
	}
	if c.access == accessReserved {
		return c.cold.exclusive.enqueueLocked(head, body, shared), false
	}
	return c.writeBoundedLocked(head, body, shared)
}

// writeBoundedLocked is writeLocked for a caller that needs not wait behind an Exclusive.
func (c *Conn) writeBoundedLocked(head, body []byte, shared *Buffer) (res Outcome, failed bool) {
	// Gathered bytes are sent first: only what the socket does not take counts as pending.
	if c.flushGatherLocked() {
		return Closed, true
	}
	if len(head)+len(body) > c.loop.engine.opts.MaxPending-c.unsentLocked() {
		return Full, false
	}
	failed = c.writeAllLocked(head, body, shared)
	return c.outcomeLocked(failed), failed
}

// outcomeLocked returns the Outcome of a write that was passed on.
func (c *Conn) outcomeLocked(failed bool) Outcome {
	switch {
	case failed:
		return Closed
	case c.queueLocked() == nil:
		return Sent
	}
	return Queued
}

// writeAllLocked writes without a bound, after the gathered bytes.
func (c *Conn) writeAllLocked(head, body []byte, shared *Buffer) (failed bool) {
	if c.flushGatherLocked() {
		return true
	}
	if shared == nil && len(body) >= pieceSize {
		c.widenLocked(true)
	}
	return c.passLocked(head, body, shared, 0)
}

// flushLocked sends the queue. When all is sent it drops the queue. It returns events that the
// caller must schedule, so that a connection that was not read because of its queue reads on.
func (c *Conn) flushLocked() (events uint32) {
	o := c.queueLocked()
	if o == nil {
		return 0
	}
	held := o.held
	sent, errno := o.send(c.fd)
	c.loop.queued.Add(-int64(sent))
	c.weighLocked(o.held - held)
	if sent > 0 { // a peer that takes bytes is alive, even while it is not read
		c.active.Store(c.loop.engine.clock.Coarse.Load())
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

// flushStuck sends what is gathered and pending for a connection whose handler blocks on w:
// else the bytes would wait for the end of the turn, or for the next.
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

// flushGatherLocked sends the gathered bytes, if there are any. The gathering goes on
// if the socket takes all of them.
func (c *Conn) flushGatherLocked() (failed bool) {
	g := c.gathererLocked()
	if g == nil || len(g.gathered) == 0 {
		return false
	}
	return c.passLocked(nil, g.takeGathered(), nil, 0)
}

// endGatheringLocked ends the gathering in w, if c takes part in it, and sends the bytes. If
// last, our side ends next: then the kernel holds them back, so that without TLS they share a
// segment with the FIN.
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
