//go:build linux

package netpoll

import "time"

// leave is the way of every connection out of the engine. It calls may, if that is not nil,
// under Conn.mu, and fails if that does. c stays scheduled for ever, so no event queues it
// again. The lease counts as open until the caller changes that.
func (c *Conn) leave(may func(*Conn) error) (s State, err error) {
	c.mu.Lock()
	if may != nil {
		err = may(c)
	}
	if err == nil {
		s = c.leaveLocked()
	}
	c.mu.Unlock()
	if err != nil {
		return State{}, err
	}
	c.unlist(int32(s.fd))
	s.tag = c.loop.table.tag(c)
	s.lease = c.loop.engine.admission.release(s.fd)
	return s, nil
}

// leaveLocked makes c a dead object, whose methods do not reach the descriptor any more.
func (c *Conn) leaveLocked() State {
	c.dropBehindLocked()
	s := State{fd: int(c.fd), phase: c.phase, access: c.access, held: c.held &^ heldByPeer}
	held := c.heldLocked()
	if q := c.queueLocked(); q != nil {
		c.loop.queued.Add(-int64(q.bytes))
		if s.out = c.out; s.phase == dying { // under the lock, since an Exclusive may use its buffer again
			s.out.free()
			s.out = nil
		}
	}
	c.phase, c.out, c.fd = dead, nil, -1
	if r := c.cold; r != nil {
		s.input, s.tls, s.err, s.addrs = r.tail, r.tls, r.err, r.addrs
		r.tail, r.charged = nil, 0
	}
	c.weighLocked(-held)
	c.drainedLocked()
	c.cold = nil
	if s.tls != nil {
		s.tls.conn = nil
	}
	return s
}

func (c *Conn) unlist(fd int32) {
	if !c.loop.largeReaders.remove(c, fd) {
		_ = c.loop.poll.Del(int(fd))
	}
	c.loop.table.remove(c)
}

// mayEndLocked lets a connection leave that has ended, whatever its phase.
func (c *Conn) mayEndLocked() error {
	c.endStreamLocked()
	return nil
}

// mayHandOverLocked lets an open connection leave that goes on outside the engine.
func (c *Conn) mayHandOverLocked() error {
	c.flushGatherLocked()
	if c.phase != live {
		return ErrClosed
	}
	return nil
}

// mayMoveLocked lets an open connection leave for another engine.
func (c *Conn) mayMoveLocked() error {
	if c.access == accessReserved {
		return ErrReserved
	}
	return c.mayHandOverLocked()
}

// Leave takes the connection out of its engine between two turns and gives its State to f,
// for another engine to Enter. Nothing that was read, written or encrypted is lost.
// Leave does not wait: f is called on a worker after the turn under way, as the last
// call for the Handler, in place of OnClose; f may use what the Handler keeps. The bytes of
// earlier writes are in the State, or the kernel has them; later writes are Closed, and
// the Conn behaves like a closed one. If the connection does not leave, f gets an error:
// ErrReserved if an Exclusive is in use, or that of a [Stayer], and then the connection stays
// open; ErrClosed if the connection is not open, has begun to end, or Leave was called before.
// f may then be called by Leave itself.
func (c *Conn) Leave(f func(*State, error)) {
	c.mu.Lock()
	ok := c.phase == live && c.loop.engine.departures.add(c, f)
	c.mu.Unlock()
	if !ok {
		f(nil, ErrClosed)
		return
	}
	c.notify(evLeave)
}

// depart answers a call of Leave. It reports whether the connection has left.
func (c *Conn) depart() bool {
	e := c.loop.engine
	f := e.departures.take(c)
	if f == nil {
		return false
	}
	s, err := c.moveOut()
	if err == nil {
		e.departures.refuse(c) // a call that came after take
	}
	e.protect(func() { f(s, err) })
	return err == nil
}

func (c *Conn) moveOut() (*State, error) {
	err := c.mayLeave()
	if err != nil {
		return nil, err
	}
	s, err := c.leave((*Conn).mayMoveLocked)
	if err != nil {
		return nil, err
	}
	s.deadline, s.active = c.times() // c is dead: nothing changes them any more
	s.lease.detach()
	return &s, nil
}

func (c *Conn) mayLeave() (err error) {
	if h, ok := c.handler.(Stayer); ok {
		err = ErrPanic
		c.loop.engine.protect(func() { err = h.MayLeave() })
	}
	return err
}

// times returns the deadline and the time of the peer's last sign of life.
func (c *Conn) times() (deadline, active time.Time) {
	k := &c.loop.engine.clock
	if at := c.expires.Load(); at != 0 {
		deadline = k.Time(at)
	}
	return deadline, k.Time(c.active.Load())
}

// refuse answers the call for c, if there is one: c has ended.
func (d *departures) refuse(c *Conn) {
	if f := d.take(c); f != nil {
		c.loop.engine.protect(func() { f(nil, ErrClosed) })
	}
}
