//go:build linux

package netpoll

import (
	"crypto/tls"
	"errors"
	"io"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
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

// Patient is a Handler whose OnOpen has nothing to do before the peer has sent something. It is called
// just before the first OnData or OnDeadline then, which spares an accepted connection a turn.
type Patient interface {
	Handler
	// FirstDeadline returns the time until OnDeadline, from when the connection enters the
	// engine, unless the deadline is set meanwhile. 0 stands for none.
	FirstDeadline() time.Duration
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

// Scheduler is work that is done soon after each call of Schedule, but not by that call:
// Schedule may be called under locks, so it must neither block nor call a method of a
// [Conn]. [*Task] is a Scheduler. It is an alias, so that a package that does not import this one
// can name the same type.
type Scheduler = interface{ Schedule() }

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
	slot    int32         // in the loop's table, which guards it: see table
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
	addrs     *addrs        // instead of those of the socket
	load      load
}

// addrs are the addresses of a connection according to its preamble: see Options.Preamble.
type addrs struct{ remote, local netip.AddrPort }

// load is the list element of a connection that holds much of the memory that
// Options.TotalPending bounds.
type load struct {
	class      uint8 // changed under Conn.mu and heavy.mu; 0 in no list
	conn       *Conn // guarded by heavy.mu, like the next
	prev, next *load
}

// Exclusive is the right to write to a connection in pieces, between which only
// WriteUrgent writes. The bytes of Write and WriteBuffer wait meanwhile, within
// Options.MaxPending, and are sent after Release. WriteLast does not wait; it ends
// the right, and the waiting bytes are lost. One goroutine at a time may use an Exclusive.
type Exclusive struct {
	conn   *Conn
	room   chan struct{} // gets a value when the queue is empty or the connection ends
	timer  *time.Timer
	buf    *Buffer   // the body of Write; in no queue between two calls
	behind *outQueue // writes of others that wait; nil if there are none. Guarded by Conn.mu
}

// tlsTransport is the TLS of a connection, and also the socket that its tls.Conn reads
// and writes: a blocking stream during the handshake and after Detach; in between
// the socket of conn, where a read that finds nothing says so and is repeated at
// the next event, and a write only collects in wire, so it cannot fail half-way.
//
// In between all of it, tls included, is guarded by Conn.mu: a read may answer
// (a key update, an alert), so under two locks reader and writers would wait for
// each other.
type tlsTransport struct {
	tls    *tls.Conn
	conn   *Conn  // nil while stream is in use
	stream stream // nil while conn is
	hello  []byte // read before the handshake began
	wire   []byte // encrypted, to be sent
	hup    bool   // the turn reads until the end of the stream
	empty  bool   // the socket is empty, as far as the turn knows
	ended  bool   // close_notify was sent
	place  *place // while detached
	addrs  *addrs // as in cold
}

// stream is a socket that the runtime polls: an os.File or a net.TCPConn.
type stream interface {
	io.ReadWriteCloser
	syscall.Conn
	SetDeadline(time.Time) error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
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

func (c *Conn) coldLocked() *cold {
	if c.cold == nil {
		c.cold = new(cold)
	}
	return c.cold
}

// tidyLocked drops cold if it holds nothing.
func (c *Conn) tidyLocked() {
	if r := c.cold; r.tail == nil && r.err == nil && r.exclusive == nil && r.tls == nil && r.drained == nil && r.charged == 0 && r.addrs == nil && r.load.class == 0 {
		c.cold = nil
	}
}

// CountIn and CountOut add to the engine's message counters.
func (c *Conn) CountIn(messages int) { c.loop.messagesIn.Add(int64(messages)) }

// CountOut: see CountIn.
func (c *Conn) CountOut(messages int) { c.loop.messagesOut.Add(int64(messages)) }

// SetTag keeps a number below 1<<31 with the connection. It takes four bytes, and nothing where no connection has a tag.
// Only the Handler may call it. Leave and Enter keep the tag.
func (c *Conn) SetTag(tag uint32) {
	if tag > math.MaxInt32 {
		panic("netpoll: a tag must be below 1<<31")
	}
	c.loop.table.setTag(c, int32(tag))
}

// Tag returns what SetTag was given last, or 0. It is valid after the end, too, so OnClose can call it.
func (c *Conn) Tag() uint32 { return uint32(c.loop.table.tag(c)) }
