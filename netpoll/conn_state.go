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

// State is all that a connection is between two turns: its socket, input that the handler
// left over, pending output, its deadline, its TLS, a Hold, and whether WriteLast was called.
// Every connection enters an engine with a State and leaves it with one: see
// Conn.Leave and Engine.Enter. One goroutine at a time may use a State. The program must
// Enter or Close it, else the descriptor stays open.
type State struct {
	fd       int
	phase    phase // dialing or live; unborn once it has been entered or closed
	access   access
	held     held
	err      error   // that OnClose gets, if WriteLast gave one
	input    []byte  // left over by the handler
	out      *output // pending output, encrypted if there is TLS
	tls      *tlsTransport
	deadline time.Time // zero for none
	active   time.Time // the peer's last sign of life; zero means now
	lease    lease
}

var errUsedHandler = errors.New("netpoll: the handler has been given to an engine before; each connection needs a new one")

// Close closes the connection and drops pending output. On a State that was entered or
// closed it does nothing.
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

// enter is the way of every connection into the engine. From then on the connection owns the
// content of s; on an error the caller still does. The connection is born scheduled: until it
// is registered no turn begins. So a goroutine that finds it in the table and closes it cannot
// cause the descriptor's number to be closed, and given to another connection, in between.
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

// departures are the calls of Leave that a turn has yet to answer. There are few at a time,
// so connections have no room for them.
type departures struct {
	n     atomic.Int32 // of calls, so that connections that end need no lock
	mu    sync.Mutex
	calls map[*Conn]func(*State, error)
}

// add reports whether c had no call yet.
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

// take removes and returns the call for c; nil if there is none.
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

// refuse answers the call for c, if there is one: c has ended.
func (d *departures) refuse(c *Conn) {
	if f := d.take(c); f != nil {
		c.loop.engine.protect(func() { f(nil, ErrClosed) })
	}
}
