//go:build linux

package netpoll

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	easygo "github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"
)

// Handler is the protocol's side of a connection. The engine calls the methods for one
// connection one at a time, on a worker; see the package documentation for their
// order. Usually the Handler is a struct that holds its Conn by value, so that
// both are one allocation.
type Handler interface {
	// Conn returns the connection that belongs to this handler: always the
	// same one, and the zero value when the handler is given to the engine.
	Conn() *Conn
	// OnOpen is called first: the connection is established.
	OnOpen()
	// OnData gets the bytes read, after those that the last call left over.
	// data belongs to the worker: the handler may change it, but must not keep it.
	// OnData returns how many bytes it has consumed; the rest,
	// at most half of Options.ReadBuffer, is kept for the next call.
	OnData(data []byte) int
	// OnDeadline is called when the deadline set with SetDeadline has passed.
	OnDeadline()
	// OnPanic is called with the value that a method of the handler panicked with.
	OnPanic(v any)
	// OnClose is called last, with the error that ended the connection: io.EOF if the
	// peer closed it.
	OnClose(err error)
}

// Filler is a Handler that has large messages read straight into its own memory, which
// saves a copy.
type Filler interface {
	Handler
	// Fill is called before a read when a worker's buffer was filled and
	// OnData has left nothing over. It returns the memory to read into,
	// which must not change before Filled, or nil to get the bytes through OnData.
	Fill() []byte
	// Filled is called in place of OnData with the number of bytes, above 0, that were
	// read into that memory.
	Filled(n int)
}

// Stayer is a Handler that can keep its connection from leaving: see Conn.Leave.
type Stayer interface {
	Handler
	// MayLeave is called at the end of the turn, just before the connection leaves. If it
	// returns an error, the connection stays.
	MayLeave() error
}

// Errors that a connection ends with, besides those of the operating system.
var (
	// ErrClosed says that the connection is already closed.
	ErrClosed = errors.New("netpoll: connection is closed")
	// ErrShutdown says that the engine was shut down.
	ErrShutdown = errors.New("netpoll: engine is shut down")
	// ErrTail says that a handler left over more than the engine keeps.
	ErrTail = errors.New("netpoll: the handler left over more than half of Options.ReadBuffer")
	// ErrPanic says that the handler panicked and OnPanic did not close the connection.
	ErrPanic = errors.New("netpoll: handler panicked")
)

// Conn is one connection. Its methods are safe from any goroutine unless they
// say otherwise. The zero value is a connection that is closed.
//
// There is one for every client, so every byte counts: the kernel is asked for addresses
// and the like, and fields that most connections do not need most of the time
// are in cold.
type Conn struct {
	handler Handler
	loop    *loop
	state   atomic.Uint32 // scheduled, and the events since the last turn
	fd      int32
	mu      sync.Mutex    // guards what follows, fd against close, and writes to it
	out     *output       // see queueLocked and gathererLocked
	cold    *cold         // nil most of the time
	expires atomic.Uint32 // deadline on the coarse clock; 0 for none
	active  atomic.Uint32 // coarse time of the last sign of life
	slot    int32         // place in the loop's table
	phase   phase
	held    held
	access  access
	wide    bool // the kernel takes more than Options.NotSentLowat; see widenLocked
}

// cold holds what only few connections need at a time, or at all.
type cold struct {
	tail      []byte        // what the handler left over
	err       error         // why the connection ends
	exclusive *Exclusive    // while access is reserved
	tls       *tlsTransport // nil without TLS
	drained   Scheduler     // to be told when nothing is pending: see WhenDrained
	charged   int           // see Charge
	load      load
}

// held says why reading pauses, in its first two bits, and what has to happen before more
// is read.
type held uint8

const (
	heldByPeer    held = 1 << iota // the peer does not take what it is sent
	heldByHandler                  // see Hold
	tailDue                        // the handler must see its tail again, if there is one
	callDue                        // the handler must be called, with or without a tail

	heldBy = heldByPeer | heldByHandler
)

// access says who may write.
type access uint8

const (
	accessOpen     access = iota
	accessReserved        // only the Exclusive, and WriteUrgent
	accessSealed          // nobody: WriteLast was called
)

// phase is how far a connection has come. It only grows.
type phase uint8

const (
	unborn    phase = iota
	dialing         // connect is under way
	live            // open
	flushing        // no more writes; ends when out is empty
	lingering       // our side is shut; input is discarded until the peer ends
	dying           // the next turn closes it
	dead            // closed, or detached
)

// The bits of Conn.state below scheduled are epoll's events and four of our own.
const (
	scheduled uint32 = 1 << 31 // queued or in a turn
	evOpen    uint32 = 1 << 30 // OnOpen is due
	evTimer   uint32 = 1 << 29 // the deadline may have passed
	evClose   uint32 = 1 << 28 // the phase changed
	evLeave   uint32 = 1 << 27 // Leave was called
	evWrite   uint32 = unix.EPOLLOUT
	evHup     uint32 = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	evRead    uint32 = unix.EPOLLIN | evHup // read on hang-up too: the end or the error is found there
	evSocket  uint32 = evRead | evWrite

	registration = easygo.EPOLLIN | easygo.EPOLLOUT | easygo.EPOLLRDHUP | easygo.EPOLLET
)

// onEvent returns the epoll callback. It does no work, and blocks no longer than
// keepPace does.
func (c *Conn) onEvent() func(easygo.EpollEvent) {
	return func(ev easygo.EpollEvent) {
		events := uint32(ev) & evSocket
		if c.state.CompareAndSwap(0, events|scheduled) { // nearly always
			c.loop.keepPace(c.loop.push(c))
			return
		}
		c.notify(events)
	}
}

// notify records events and makes sure that a turn looks at them.
func (c *Conn) notify(events uint32) {
	for {
		old := c.state.Load()
		if old&events == events && old&scheduled != 0 {
			return
		}
		if c.state.CompareAndSwap(old, old|events|scheduled) {
			if old&scheduled == 0 {
				c.loop.push(c)
			}
			return
		}
	}
}

// closeWithLocked moves the connection on to phase ph, to end with err. It reports false if
// it had come that far already. The first error stays.
func (c *Conn) closeWithLocked(ph phase, err error) (changed bool) {
	if c.phase >= ph || c.phase == unborn {
		return false
	}
	c.phase = ph
	r := c.coldLocked()
	if r.err == nil {
		r.err = err
	}
	if r.exclusive != nil {
		r.exclusive.wake()
	}
	c.drainedLocked()
	return true
}

func (c *Conn) coldLocked() *cold {
	if c.cold == nil {
		c.cold = new(cold)
	}
	return c.cold
}

// tidyLocked drops cold if it holds nothing.
func (c *Conn) tidyLocked() {
	if r := c.cold; r.tail == nil && r.err == nil && r.exclusive == nil && r.tls == nil && r.drained == nil && r.charged == 0 && r.load.class == 0 {
		c.cold = nil
	}
}

// Close ends the connection at once and drops pending output. OnClose gets
// err, unless an earlier call gave an error.
func (c *Conn) Close(err error) {
	c.mu.Lock()
	changed := c.closeWithLocked(dying, err)
	if changed {
		c.flushGatherLocked() // out of a turn the socket would have it already
		c.endStreamLocked()
		_ = unix.Shutdown(int(c.fd), unix.SHUT_RDWR)
	}
	c.mu.Unlock()
	if changed {
		c.notify(evClose)
	}
}

// Finish ends the connection in order: it refuses further writes, sends pending output,
// shuts our side, and discards input until the peer
// has shut its own side, so that the peer can read our last bytes. After timeout the
// connection is closed in any case. OnClose gets err, unless an earlier call gave an
// error.
func (c *Conn) Finish(err error, timeout time.Duration) {
	c.mu.Lock()
	ph := flushing
	if c.phase == dialing {
		ph = dying // there is nothing to flush, and no peer to wait for
	}
	changed := c.closeWithLocked(ph, err)
	if changed {
		c.expireLocked(max(timeout, time.Millisecond))
	}
	c.mu.Unlock()
	if changed {
		c.notify(evClose)
	}
}

// abort closes from a turn, whatever the phase.
func (c *Conn) abort(err error) {
	c.mu.Lock()
	c.closeWithLocked(dying, err)
	c.mu.Unlock()
}

// finish takes the connection out of the engine and closes the descriptor.
// Called once, at the end of the last turn.
func (c *Conn) finish() {
	s, _ := c.leave((*Conn).mayEndLocked)
	s.close()
	e := c.loop.engine
	e.departures.refuse(c)
	if s.err == nil {
		s.err = io.EOF
	}
	e.tellClosed(c.handler, s.err)
}

func (e *Engine) tellClosed(h Handler, err error) {
	defer func() {
		if v := recover(); v != nil {
			e.panicked(v)
		}
	}()
	h.OnClose(err)
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

func (c *Conn) unlist(fd int32) {
	if !c.loop.largeReaders.remove(c, fd) {
		_ = c.loop.poll.Del(int(fd))
	}
	c.loop.table.remove(c)
}

// Loop returns the number of the loop that the connection belongs to, from 0 to
// Engine.Loops.
func (c *Conn) Loop() int { return c.loop.id }

// Engine returns the engine that the connection belongs to.
func (c *Conn) Engine() *Engine { return c.loop.engine }

// Hold pauses reading until Resume, because the handler has no room for more. Only the
// Handler may call it, from OnData, which may then leave over all that it got and
// sees it again before more is read. Meanwhile TCP slows the peer down, and only a write
// can notice that the peer has gone.
func (c *Conn) Hold() {
	c.mu.Lock()
	c.held |= heldByHandler | tailDue
	c.mu.Unlock()
}

// Resume ends a Hold, if there is one, and reading goes on.
func (c *Conn) Resume() {
	c.mu.Lock()
	was := c.held
	c.held &^= heldByHandler
	c.mu.Unlock()
	if was&heldByHandler != 0 {
		c.notify(evRead)
	}
}

// Held reports whether reading pauses because of Hold.
func (c *Conn) Held() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held&heldByHandler != 0
}

// Paused reports whether reading pauses, for any reason.
func (c *Conn) Paused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held&heldBy != 0
}
