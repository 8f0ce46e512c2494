//go:build linux

package netpoll

import (
	"errors"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// ErrShed says that a connection was closed because all connections together held more memory
// than Options.TotalPending, and it was one of the heaviest.
var ErrShed = errors.New("netpoll: closed to free memory: pending output of all connections exceeds Options.TotalPending")

// budget bounds the memory that the engine holds for peers. Each loop sums up what its
// connections hold (loop.held). A write that adds to the sum checks the total once in so many
// bytes (step). If the total is too large, the write closes the heaviest connections at once, until
// there is some room. So the bound needs no goroutine, which would come too late,
// and no more connections are closed than necessary.
type budget struct {
	high, low int64        // above high, shed down to low
	hard      int64        // above hard, shed a lighter connection if the heaviest are locked
	step      uint         // log2 of the bytes that a loop adds between two checks of the total
	mu        sync.Mutex   // one goroutine sheds at a time; other writes that add wait for it
	shed      atomic.Int64 // connections closed with ErrShed
	slow      atomic.Int64 // connections closed with ErrSlow
	scan      atomic.Bool  // the monitor must look at all connections
}

// mostStep is the largest step: 64 KiB.
const mostStep = 16

// init keeps a sixteenth below the bound for what all loops add between two checks
// and for writes under way. Shedding frees another sixteenth at a time.
func (b *budget) init(most, loops int) {
	if most < 0 {
		b.high, b.hard, b.step = math.MaxInt64, math.MaxInt64, mostStep
		return
	}
	b.high = int64(most - most/16)
	b.low = int64(most - most/8)
	b.hard = int64(most - most/32)
	b.step = uint(min(max(bits.Len(uint(most/16/loops)), 1)-1, mostStep))
}

// orphans is the size of the buffers that are in some queue but that no connection answers for,
// because the one that did has sent its part. It is global, because several engines may share
// buffers.
var orphans atomic.Int64

// held returns the bytes that all connections hold.
func (e *Engine) held() int64 {
	n := orphans.Load()
	for _, l := range e.loops {
		n += l.held.Load()
	}
	return n
}

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
	if n > 0 && after>>l.engine.budget.step != (after-int64(n))>>l.engine.budget.step {
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

// checkBudget closes connections if all together hold too much. self is locked.
func (e *Engine) checkBudget(self *Conn) {
	b := &e.budget
	if e.held() <= b.high {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.held() <= b.high { // another goroutine did it
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
	for e.held() > e.budget.low {
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
		if busy && e.held() <= e.budget.hard {
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

// scanBudget is the monitor's part. It tries again if the heaviest connections were
// locked. If the memory is held by many light connections, or by buffers that no connection
// answers for, it closes every connection that holds, or has pending, more than an equal
// share: there is at least one as long as the total is too large.
func (m *monitor) scanBudget() {
	e := m.engine
	if !e.budget.scan.Swap(false) {
		return
	}
	e.budget.mu.Lock()
	done := e.shedHeavyLocked(nil)
	e.budget.mu.Unlock()
	switch done {
	case shedEnough:
		return
	case shedBusy:
		e.budget.scan.Store(true)
		m.arm()
		return
	}
	share := int(e.budget.low / max(1, e.admission.open.Load()))
	for _, l := range e.loops {
		l.table.each(&m.buf, func(c *Conn) {
			if e.held() <= e.budget.low {
				return
			}
			c.mu.Lock()
			if max(c.pendingLocked(), c.heldLocked()) > share { // it holds, or keeps from being freed
				c.shedLocked()
			}
			c.mu.Unlock()
		})
	}
}
