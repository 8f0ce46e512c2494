package wsproto

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// Conn is a WebSocket connection. Its methods are safe from any goroutine and never block,
// except for those of a [Writer]. A Conn remains valid after the connection has ended: then
// writes return Closed.
type Conn struct {
	io       netpoll.Conn
	endpoint *endpoint
	handler  Handler
	parser   parser
	extra    atomic.Pointer[extra]
	flags    atomic.Uint32
	// mark is the time at which an incomplete frame header is late (see conn_timeout.go).
	// After our close frame it is the number of bytes that were pending at the last
	// look. It belongs to the turn.
	mark tick
	paid moment // state of Take; it belongs to the turn
}

// endpoint is what the connections of a server, or of a client, have in common.
type endpoint struct {
	limits
	streams
	state        ws.State // StateServerSide or StateClientSide
	ping         time.Duration
	pong         time.Duration
	sweep        time.Duration // of the engine, by which a ping may be late
	message      time.Duration // Server.MessageTimeout; no bound unless positive
	closeTimeout time.Duration
	server       *Server              // nil for a client
	compression  *Compression         // nil: not supported
	shared       bool                 // the engine is the one that clients share
	messageRate  atomic.Pointer[Rate] // Server.Rate, or that of SetLimits; nil for no limit
}

// extra is what only some connections have.
type extra struct {
	mu          sync.Mutex
	value       any
	subprotocol string
	takeover    *takeover
	deadlines   *deadlines
	opening     opening // until the connection is open, or was refused
	stream      atomic.Pointer[stream]
}

// opening is what a connection has for its handshake only: the *dial of a client, the
// *hijackedRequest with which it came from net/http, or the *acceptance that decides about it.
type opening interface {
	// aborted is called if c ends before it is open.
	aborted(c *Conn, err error)
}

const (
	flagOpen      uint32 = 1 << iota // the handshake is done
	flagPinged                       // nothing has come since a ping of ours
	flagClosed                       // a close frame was sent or received
	flagLate                         // our close frame was not answered in time
	flagSilent                       // the time to answer a ping is over
	flagStream                       // the handler is a StreamHandler
	flagStreamAll                    // every message goes to OnStream
	flagReadEnd                      // the handler is a ReadHandler
	flagDeflate                      // messages may be compressed, with a window of deflateBits

	deflateBitsAt        = 9
	deflateBits   uint32 = 15 << deflateBitsAt

	flagHeard uint32 = 1 << 13 // the header has come and was not refused, or the connection has ended
	flagHeld  uint32 = 1 << 14 // messages wait for Resume
	flagTLS   uint32 = 1 << 15 // the connection came to a listener with TLS
)

// closeFrame sends the last frame of this endpoint. It reports whether no close frame was
// sent before.
func (c *Conn) closeFrame(code Code, reason string, err *CloseError) bool {
	var body [maxControl]byte
	var frame [maxHeader + maxControl]byte
	var key [4]byte
	c.flags.Or(flagClosed)
	c.Resume() // so that the peer's answer is read
	first := c.io.WriteLast(appendFrame(frame[:0], true, opClose, appendCloseBody(body[:0], code, reason), c.mask(&key)), err)
	if s := c.streaming(); s != nil {
		s.end(err)
	}
	return first
}

// Close begins the closing handshake. The peer gets a close frame; Server.CloseTimeout bounds
// the wait for its answer, from the moment when it has taken what was accepted before; then
// OnClose is called. After Close nothing is delivered or sent: messages that wait behind a
// [Writer] are lost, and a stream that is incomplete ends with an error. A second call does
// nothing. A code that is not allowed in a frame is sent as InternalError; NoStatusReceived
// sends neither code nor reason. A reason longer than 123 bytes is cut.
func (c *Conn) Close(code Code, reason string) {
	code, reason = sanitizeClose(code, reason)
	if c.closeFrame(code, reason, &CloseError{Code: code, Reason: reason}) {
		c.io.SetDeadline(c.endpoint.closeTimeout)
	}
}

// opened marks the handshake as done.
func (c *Conn) opened() {
	if s := c.endpoint.server; s != nil {
		s.counters.add()
	}
	c.flags.Or(flagOpen | handlerFlags(c.handler))
	c.armFirst()
}

// handlerFlags returns the flags that say what else than a Handler h is.
func handlerFlags(h Handler) (flags uint32) {
	if streamer(h) != nil {
		flags |= flagStream
	}
	if _, ok := h.(ReadHandler); ok {
		flags |= flagReadEnd
	}
	return flags
}

func (c *Conn) extras() *extra {
	if x := c.extra.Load(); x != nil {
		return x
	}
	c.extra.CompareAndSwap(nil, new(extra))
	return c.extra.Load()
}

// Value returns what SetValue was given last, or nil.
func (c *Conn) Value() any {
	x := c.extra.Load()
	if x == nil {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.value
}

// SetValue keeps v with the connection.
func (c *Conn) SetValue(v any) {
	x := c.extras()
	x.mu.Lock()
	x.value = v
	x.mu.Unlock()
}

// Subprotocol returns the subprotocol that was agreed on, or "".
func (c *Conn) Subprotocol() string {
	if x := c.extra.Load(); x != nil {
		return x.subprotocol
	}
	return ""
}

// RemoteAddr asks the kernel for the peer's address. It is zero after the end.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.io.RemoteAddr() }

// LocalAddr asks the kernel for our address. It is zero after the end.
func (c *Conn) LocalAddr() netip.AddrPort { return c.io.LocalAddr() }

// Loop returns the number of the event loop that the connection belongs to, for programs
// that group connections. It does not change.
func (c *Conn) Loop() int { return c.io.Loop() }

// Hold stops the messages of the connection until Resume, when the handler has no room for
// more. Only the Handler may call it, from OnOpen or OnMessage. The next message waits
// until Resume, even one of the same read, and TCP slows the peer down. Connections whose
// handler is a [StreamHandler] are held by their streams and must not call it.
//
// A connection that is held is not pinged, since its answers would not be read, and its end
// is noticed only when something is written to it. So it must not wait for an event that
// may never come.
func (c *Conn) Hold() {
	c.io.Hold()
	c.flags.Or(flagHeld)
	if c.flags.Load()&flagClosed != 0 { // Close may not have seen flagHeld
		c.Resume()
	}
}

// Resume ends a Hold, if there is one. It may be called from any goroutine.
func (c *Conn) Resume() {
	if c.flags.Load()&flagHeld != 0 {
		c.flags.And(^flagHeld)
		c.io.Resume()
	}
}
