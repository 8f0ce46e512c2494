//go:build linux

package netpoll

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// State is all that a connection is between two turns: its socket, what was read and not
// handled, what is pending, its deadline, its TLS, and whether it may be written to and is
// held. Every connection enters an engine with a State, and leaves it with one: see
// Conn.Leave and Engine.Enter. One goroutine at a time may use it. It must be entered
// again or closed, else the descriptor is never closed.
type State struct {
	fd       int
	phase    phase // dialing or live; unborn once it was entered again or closed
	access   access
	held     held
	err      error   // that OnClose gets, if WriteLast gave one
	input    []byte  // that the handler left over
	out      *output // what is pending, encrypted if there is TLS
	tls      *tlsTransport
	deadline time.Time // zero for none
	active   time.Time // the peer's last sign of life; zero for now
	lease    lease
}

var errUsedHandler = errors.New("netpoll: handler has been given to an engine before")

// Close closes the connection. What is pending is dropped.
func (s *State) Close() {
	if s.phase != unborn {
		s.close()
		*s = State{}
	}
}

func (s *State) close() {
	s.closeSocket()
	s.lease.end()
}

func (s *State) closeSocket() {
	if s.out != nil {
		s.out.free()
	}
	unix.Close(s.fd)
}

// Enter gives a connection that has left an engine (see Conn.Leave) to h in this one. It
// goes on where it was: h gets what was read and not handled, before anything else is
// read; what was pending is sent; a deadline, a Hold, and WriteLast's refusal of writes
// last. Charge and WhenDrained do not. The connection counts against Options.MaxConns, but is not
// refused. The error is ErrTail if more than Options.ReadBuffer was left over. On an error s is as it was, and h
// may not be used again.
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
	h.Conn().notify(evRead | evWrite) // what was read already, or could be written, raises no event
	return nil
}

// enter is the way of every connection into the engine. The connection owns what s has from
// now on; on an error the caller does. It is born scheduled: until it is registered no
// turn begins, so nobody who finds it in the table and closes it can have the number
// closed, and given to a stranger, in between.
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
	if err := c.register(); err != nil {
		left, _ := c.leave(nil)
		e.admission.withdraw(&s.lease)
		left.lease = s.lease
		*s = left
		return err
	}
	e.admission.done(&s.lease)
	if !c.state.CompareAndSwap(scheduled|evOpen, evOpen) {
		c.loop.push(c)
	}
	return nil
}

// enterLocked has c be what s says.
func (c *Conn) enterLocked(s *State) {
	c.fd, c.phase, c.access, c.held, c.out = int32(s.fd), s.phase, s.access, s.held, s.out
	clock := &c.loop.engine.clock
	c.active.Store(clock.coarse.Load())
	if !s.active.IsZero() {
		c.active.Store(clock.at(s.active))
	}
	if !s.deadline.IsZero() {
		c.expireLocked(max(time.Until(s.deadline), time.Millisecond))
	}
	c.state.Store(scheduled | evOpen)
	if len(s.input) > 0 {
		c.held |= tailDue
	}
	if s.input != nil || s.tls != nil || s.err != nil {
		c.cold = &cold{tail: s.input, tls: s.tls, err: s.err}
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
func (c *Conn) register() error {
	if !c.loop.table.add(c) {
		return ErrShutdown
	}
	if err := c.loop.poll.Add(int(c.fd), registration, c.onEvent()); err != nil {
		return fmt.Errorf("netpoll: epoll add: %w", err)
	}
	return nil
}

// leave is the way of every connection out of the engine, if may, which is called under
// Conn.mu, agrees or is nil. Its object stays scheduled for ever, so no event queues it again; the
// lease counts as open until the caller changes that.
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
	s.lease = c.loop.engine.admission.release(s.fd)
	return s, nil
}

// leaveLocked makes c a dead object: no call on it reaches the descriptor any more.
func (c *Conn) leaveLocked() State {
	c.dropBehindLocked()
	s := State{fd: int(c.fd), phase: c.phase, access: c.access, held: c.held &^ heldByPeer}
	held := c.heldLocked()
	if q := c.queueLocked(); q != nil {
		c.loop.queued.Add(-int64(q.bytes))
		s.out = c.out
	}
	c.phase, c.out, c.fd = dead, nil, -1
	if r := c.cold; r != nil {
		s.input, s.tls, s.err = r.tail, r.tls, r.err
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

// mayEndLocked is for a connection that has ended: it may always leave.
func (c *Conn) mayEndLocked() error {
	c.endStreamLocked()
	return nil
}

// mayHandOverLocked is for one that goes on elsewhere.
func (c *Conn) mayHandOverLocked() error {
	c.flushGatherLocked()
	if c.phase != live {
		return ErrClosed
	}
	return nil
}

// mayMoveLocked is for one that goes on elsewhere as it is, see Leave.
func (c *Conn) mayMoveLocked() error {
	if c.access == accessReserved {
		return ErrReserved
	}
	return c.mayHandOverLocked()
}

// Leave takes the connection out of its engine between two turns, and gives f all that it
// is then, for another engine to Enter: nothing that was read, written, or encrypted is lost.
// It does not wait. f is called on a worker, when the turn under way is over, as the last
// call for the Handler, in place of OnClose; it may look at what the Handler keeps. Writes
// that come first are in the State, or with the kernel; later ones are Closed, and so is
// all else that is called on the connection. If it does not leave, f gets an error: ErrReserved
// if somebody writes to it in pieces, and it stays open; ErrClosed if it has begun to end,
// is being taken out already, or is not open yet: then f may be called by Leave itself.
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

// depart does what Leave has promised. It reports whether the connection has left.
func (c *Conn) depart() bool {
	e := c.loop.engine
	f := e.departures.take(c)
	if f == nil {
		return false
	}
	s, err := c.moveOut()
	e.protect(func() { f(s, err) })
	return err == nil
}

func (c *Conn) moveOut() (*State, error) {
	s, err := c.leave((*Conn).mayMoveLocked)
	if err != nil {
		return nil, err
	}
	s.deadline, s.active = c.times() // which nobody changes any more
	s.lease.detach()
	return &s, nil
}

// times returns when the deadline is, and when the last sign of life was.
func (c *Conn) times() (deadline, active time.Time) {
	clock := &c.loop.engine.clock
	if at := c.expires.Load(); at != 0 {
		deadline = clock.time(at)
	}
	return deadline, clock.time(c.active.Load())
}

// departures are the calls of Leave that a turn has yet to answer. They are few, and have
// no room in each connection.
type departures struct {
	n     atomic.Int32 // of pending, for those who ask in vain
	mu    sync.Mutex
	calls map[*Conn]func(*State, error)
}

// add reports whether f is the first for c.
func (d *departures) add(c *Conn, f func(*State, error)) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.calls[c] != nil {
		return false
	}
	if d.calls == nil {
		d.calls = make(map[*Conn]func(*State, error))
	}
	d.calls[c] = f
	d.n.Add(1)
	return true
}

// take returns the call for c, and forgets it; nil if there is none.
func (d *departures) take(c *Conn) func(*State, error) {
	if d.n.Load() == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.calls[c]
	if f != nil {
		delete(d.calls, c)
		d.n.Add(-1)
	}
	return f
}

// refuse answers the call for c, which has ended, if there is one.
func (d *departures) refuse(c *Conn) {
	if f := d.take(c); f != nil {
		c.loop.engine.protect(func() { f(nil, ErrClosed) })
	}
}
