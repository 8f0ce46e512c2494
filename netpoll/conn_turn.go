//go:build linux

package netpoll

import (
	"runtime/pprof"

	"golang.org/x/sys/unix"
)

func (l *loop) drainReady() {
	w := l.engine.workers.get()
	defer l.engine.workers.put(w)
	pprof.SetGoroutineLabels(w.labels)
	for !l.takeTurns(w) {
	}
}

// takeTurns gives turns until the queue is empty. If a handler panics it returns
// early, and done is false. One recover for all turns keeps its cost off each of them.
func (l *loop) takeTurns(w *worker) (done bool) {
	defer func() {
		if v := recover(); v != nil {
			if !w.turning {
				panic(v) // not a handler's panic, but a bug of this package
			}
			w.conn.Load().recoverTurn(w, v)
		}
	}()
	for t := l.ready.Pop(); t != nil; t = l.ready.Pop() {
		t.turn(w)
	}
	return true
}

// turn serves the connection on worker w. If the handler panics, the drainer
// calls recoverTurn for the rest.
func (c *Conn) turn(w *worker) {
	events := c.state.Swap(scheduled)
	switch ph := c.begin(w, events); ph {
	case live:
		if events&(evOpen|evTimer) != 0 {
			c.runOnce(w, events)
		}
		if events&evRead != 0 && c.read(w, events) {
			c.state.Or(evRead)
		}
	case dialing:
		c.runDialing(events)
	case flushing, lingering:
		c.discard(w, ph, events)
	}
	c.endTurn(w, events&evLeave != 0)
}

// begin sends what is pending, lets w gather what the turn will write, prepares
// the first read, and returns the phase.
func (c *Conn) begin(w *worker, events uint32) phase {
	w.enter(c)
	c.mu.Lock()
	if events&evWrite != 0 && !c.isDirectLocked() {
		c.state.Or(c.flushLocked()) // a turn is running: it looks again before it ends
	}
	ph := c.phase
	if ph == live {
		if c.beginGatherLocked(&w.out) && c.cold == nil && c.held == 0 {
			w.ready, w.kept, w.unseen, w.transport = true, 0, false, (*plain)(c) // as prepareLocked would say
		} else if events&evRead != 0 && events&(evOpen|evTimer) == 0 {
			w.ready = c.prepareLocked(w)
		}
	}
	c.mu.Unlock()
	return ph
}

// runOnce calls the handler for events that are not data.
func (c *Conn) runOnce(w *worker, events uint32) {
	if events&evOpen != 0 {
		c.handler.OnOpen()
	}
	if events&evTimer != 0 && c.expired() && c.isLive() {
		c.handler.OnDeadline()
	}
	if events&evRead != 0 {
		c.prepare(w) // not earlier: these methods may have ended or detached the connection
	}
}

// isLive reports whether the connection is still open: the handler or another goroutine may
// have ended it during this turn.
func (c *Conn) isLive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase == live
}

// endTurn ends the turn: it sends what was gathered, and closes the connection, or lets it
// leave, if that is due. If events came meanwhile the connection waits for another turn
// behind all others, so that a peer that never pauses delays no other.
func (c *Conn) endTurn(w *worker, leaves bool) {
	w.turning = false
	c.mu.Lock()
	c.endGatheringLocked(w, c.phase == flushing)
	c.drainedLocked()
	if c.phase == flushing {
		c.lingerLocked(w)
	}
	if w.emptied {
		c.state.And(^evClose) // the phase is known, and there is nothing to discard
	}
	ph := c.phase
	c.mu.Unlock()
	switch ph {
	case dying:
		c.finish()
	case dead: // detached
		c.loop.engine.departures.refuse(c)
	default:
		if leaves && c.depart() {
			return
		}
		if !c.state.CompareAndSwap(scheduled, 0) {
			c.loop.push(c)
		}
	}
}

// lingerLocked shuts our side if everything has been sent. The event of the peer's end may have
// come before the turn, so another turn looks for it, unless this one has emptied the socket: then
// it is still to come.
func (c *Conn) lingerLocked(w *worker) {
	c.transportLocked().endLocked()
	if c.phase == flushing && c.isDirectLocked() {
		c.phase = lingering
		_ = unix.Shutdown(int(c.fd), unix.SHUT_WR)
		if !w.emptied {
			c.state.Or(evRead)
		}
	}
}

// recoverTurn ends a turn in which the handler panicked with v.
func (c *Conn) recoverTurn(w *worker, v any) {
	c.loop.engine.panicked(v)
	c.tellPanic(v)
	c.mu.Lock()
	if c.phase < flushing { // OnPanic has not begun to close
		c.closeWithLocked(dying, ErrPanic)
	}
	c.mu.Unlock()
	c.endTurn(w, false)
}

func (c *Conn) tellPanic(v any) {
	defer func() {
		if v := recover(); v != nil { // OnPanic itself
			c.loop.engine.panicked(v)
		}
	}()
	c.handler.OnPanic(v)
}
