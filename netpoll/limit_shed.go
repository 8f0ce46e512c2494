//go:build linux

package netpoll

import (
	"errors"

	"golang.org/x/sys/unix"
)

// ErrShed says that a connection was closed because all connections together held more memory
// than Options.TotalPending, and it was one of the heaviest.
var ErrShed = errors.New("netpoll: closed to free memory: pending output of all connections exceeds Options.TotalPending")

// Charge adds n bytes, which may be negative, to the memory that is held for the peer. It is
// for a protocol that keeps memory of its own for a connection, such as the part of a message
// that has come. The bytes count against Options.TotalPending, and make the connection
// heavier when some must be closed. When the connection ends or leaves, they are
// not counted any more.
func (c *Conn) Charge(n int) {
	c.mu.Lock()
	if c.phase != unborn && c.phase < dying {
		r := c.coldLocked()
		r.charged += n
		c.weighLocked(n)
		c.tidyLocked()
	}
	c.mu.Unlock()
}

// heldLocked returns the bytes that c holds.
func (c *Conn) heldLocked() (n int) {
	if q := c.queueLocked(); q != nil {
		n = q.held
	}
	if r := c.cold; r != nil {
		n += cap(r.tail) + r.charged
		if x := r.exclusive; x != nil && x.behind != nil {
			n += x.behind.held
		}
	}
	return n
}

// weighLocked notes that c holds n bytes more. If that is too much, c
// may be dying when it returns, and its pending output dropped.
func (c *Conn) weighLocked(n int) {
	if n == 0 {
		return
	}
	l := c.loop
	after := l.held.Add(int64(n))
	class := uint8(0)
	if c.phase < dying {
		class = classOf(c.heldLocked())
	}
	if class > 0 || c.cold != nil && c.cold.load.class > 0 {
		c.listLocked(class)
	}
	if step := l.engine.budget.bounds.Load().step; n > 0 && after>>step != (after-int64(n))>>step {
		l.engine.checkBudget(c)
	}
}

// listLocked moves c to the list of class.
func (c *Conn) listLocked(class uint8) {
	if r := c.coldLocked(); r.load.class != class {
		c.loop.heavy.moveLocked(c, class)
	}
}

// unloadLocked frees all that c holds, and takes it out of its list.
func (c *Conn) unloadLocked() {
	c.dropPendingLocked()
	r := c.cold
	if r == nil {
		return
	}
	n := cap(r.tail) + r.charged
	r.tail, r.charged = nil, 0
	c.weighLocked(-n)
	c.listLocked(0)
}

// dropPendingLocked drops the queue. Gathered output belongs to the worker.
func (c *Conn) dropPendingLocked() {
	if q := c.queueLocked(); q != nil {
		c.loop.queued.Add(-int64(q.bytes))
		held := q.held
		q.free()
		c.endQueueLocked()
		c.weighLocked(-held)
	}
	c.dropBehindLocked()
}

// dropBehindLocked ends the right of an Exclusive, if there is one, and drops the bytes that
// wait behind it.
func (c *Conn) dropBehindLocked() {
	if c.access != accessReserved {
		return
	}
	c.loop.queued.Add(-int64(c.behindLocked()))
	x := c.cold.exclusive
	o := x.behind
	c.access, c.cold.exclusive, x.behind = accessSealed, nil, nil
	if o != nil {
		c.weighLocked(-o.held)
		o.free()
	}
	x.wake()
}

// checkBudget closes connections if all together hold too much. self is locked.
func (e *Engine) checkBudget(self *Conn) {
	b := &e.budget
	if e.held() <= b.bounds.Load().high {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.held() <= b.bounds.Load().high { // another goroutine did it
		return
	}
	if e.shedHeavyLocked(self) != shedEnough {
		b.scan.Store(true)
		e.monitor.arm()
	}
}

// shedResult is the result of shedding.
type shedResult uint8

const (
	shedEnough shedResult = iota
	shedBusy              // the heaviest are locked by others, and there is still some room
	shedNone              // no connection that holds much is left
)

// shedHeavyLocked closes the heaviest connections until there is room. budget.mu is
// locked, and self, if it is not nil.
func (e *Engine) shedHeavyLocked(self *Conn) shedResult {
	for e.held() > e.budget.bounds.Load().low {
		c, busy := e.heaviest(self)
		if c == nil && busy {
			return shedBusy
		}
		if c == nil {
			return shedNone
		}
		c.shedLocked()
		if c != self {
			c.mu.Unlock()
		}
	}
	return shedEnough
}

// heaviest returns one of the heaviest connections, locked. While there is some room
// left, it returns none if others have locked those of the heaviest class: a lighter one
// must not be closed in their place.
func (e *Engine) heaviest(self *Conn) (c *Conn, busy bool) {
	for class := loadClasses - 1; class > 0; class-- {
		for _, l := range e.loops {
			c, b := l.heavy.pick(class, self)
			if c != nil {
				return c, false
			}
			busy = busy || b
		}
		if busy && e.held() <= e.budget.bounds.Load().hard {
			return nil, true
		}
	}
	return nil, busy
}

// shedLocked closes c to free what it holds.
func (c *Conn) shedLocked() {
	if c.cutLocked(ErrShed) {
		c.loop.engine.budget.shed.Add(1)
	}
}

// cutLocked closes c and frees what it holds at once, not at the end of its turn. It makes the
// kernel free its own buffers too, which it would keep for long if the peer takes nothing.
// It reports whether c was open.
func (c *Conn) cutLocked(err error) bool {
	cut := c.closeWithLocked(dying, err)
	if cut {
		_ = unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		c.notify(evClose)
	}
	c.unloadLocked()
	return cut
}
