//go:build linux

package netpoll

import (
	"fmt"
)

// Enter gives a connection that has left an engine (see Conn.Leave) to h in this engine. The
// connection goes on where it was: h gets the input that was left over before anything else is
// read; pending output is sent; the deadline, a Hold, and the effect of WriteLast remain.
// Charge and WhenDrained do not: the protocol must call them again. The connection counts
// against Options.MaxConns, but is not refused. The error is ErrTail if more input was left
// over than Options.ReadBuffer. On an error s is unchanged, and h cannot be used again.
func (e *Engine) Enter(s *State, h Handler) error {
	switch {
	case s.phase == unborn:
		return ErrClosed
	case len(s.input) > e.opts.ReadBuffer:
		return ErrTail
	}
	_ = setSocketOptions(s.fd, e.opts)
	if err := e.enter(s, h); err != nil {
		return err
	}
	*s = State{}
	h.Conn().notify(evRead | evWrite) // no event tells of input and output that s brought
	return nil
}

// receive gives a connection that was accepted to h, or closes it if that is not possible.
func (e *Engine) receive(s State, h Handler) (ok bool) {
	if h != nil && e.enter(&s, h) == nil {
		if _, waits := h.(Patient); !waits {
			h.Conn().notify(0) // OnOpen is due
		}
		return true
	}
	if g, before := h.(preHandler); before {
		g.abandon()
	}
	e.admission.refused.Add(1)
	s.close()
	return false
}

// enter is the way of every connection into the engine. From then on the connection owns the
// content of s; on an error the caller still does. The connection is born scheduled: until it
// is registered no turn begins. Then the first event begins one, or the caller if there may be none. So a goroutine
// that finds it in the table and closes it cannot cause the descriptor's number to be closed, and given to another
// connection, in between.
func (e *Engine) enter(s *State, h Handler) error {
	c := h.Conn()
	c.mu.Lock()
	if c.phase != unborn {
		c.mu.Unlock()
		return errUsedHandler
	}
	c.handler = h
	c.loop = e.loops[e.next.Add(1)%uint32(len(e.loops))]
	c.enterLocked(s)
	c.mu.Unlock()
	e.admission.admit(s.fd, &s.lease)
	if err := c.register(s.tag); err != nil {
		left, _ := c.leave(nil)
		e.admission.withdraw(&s.lease)
		left.lease, left.deadline, left.active = s.lease, s.deadline, s.active
		*s = left
		e.departures.refuse(c) // another goroutine may have called Leave already
		return err
	}
	e.admission.done(&s.lease)
	if !c.state.CompareAndSwap(scheduled|evOpen, evOpen) {
		c.loop.push(c)
	}
	return nil
}

// enterLocked gives c the content of s.
func (c *Conn) enterLocked(s *State) {
	c.fd, c.phase, c.access, c.held, c.out = int32(s.fd), s.phase, s.access, s.held, s.out
	k := &c.loop.engine.clock
	c.active.Store(k.Coarse.Load())
	if !s.active.IsZero() {
		c.active.Store(k.At(s.active))
	}
	if !s.deadline.IsZero() {
		c.expireLocked(k.Left(s.deadline))
	} else if h, ok := c.handler.(Patient); ok {
		c.expireLocked(h.FirstDeadline())
	}
	c.state.Store(scheduled | evOpen)
	if len(s.input) > 0 {
		c.held |= tailDue
	}
	if s.input != nil || s.tls != nil || s.err != nil || s.addrs != nil {
		c.cold = &cold{tail: s.input, tls: s.tls, err: s.err, addrs: s.addrs}
	}
	if s.tls != nil {
		s.tls.conn, s.tls.stream = c, nil
	}
	if q := c.queueLocked(); q != nil {
		q.drain = drain{} // on this engine's clock from now on
		c.loop.queued.Add(int64(q.bytes))
	}
	c.weighLocked(c.heldLocked())
}

// register puts c into its loop's table and epoll set.
func (c *Conn) register(tag int32) error {
	if !c.loop.table.add(c, tag) {
		return ErrShutdown
	}
	if err := c.loop.poll.Add(int(c.fd), registration, c.onEvent()); err != nil {
		return fmt.Errorf("netpoll: epoll add: %w", err)
	}
	return nil
}
