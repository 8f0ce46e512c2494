package wsproto

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// Handler handles a connection. Its methods are called for one connection one at a time, in
// the order OnOpen, any number of OnMessage, OnClose; for different connections they run
// concurrently. They run on a bounded number of workers: they may block, but each call that
// does occupies one worker. A panic is logged and closes the connection with 1011. See
// [StreamHandler] for messages that are too large to be collected.
type Handler interface {
	// OnOpen is called when the handshake is done. r is valid during the call.
	OnOpen(c *Conn, r *Request)
	// OnMessage is called for each message, of type Text or Binary. The handler may change
	// payload but not keep it: it is valid during the call. Text is valid UTF-8. In a program that
	// is built with -race, payload is overwritten with 0xdb as soon as OnMessage has returned.
	OnMessage(c *Conn, op Opcode, payload []byte)
	// OnClose is called once, after the last OnMessage, if OnOpen was called.
	OnClose(c *Conn, err *CloseError)
}

// Request is the opening handshake of a connection, as Server.Accept and Handler.OnOpen see
// it. It is valid during the call. Accept may set fields that say how to respond. The handler
// of a client's connection gets a Request that has the server's ResponseHeader, but no URI
// and no Header.
type Request struct {
	// URI is the request target, as it was sent.
	URI string
	// Header is the request's header.
	Header Header

	// Handler is set by Accept to give this connection a handler of its own; nil for that
	// of Server.NewHandler or Server.Handler. Upgrade sets it before.
	Handler Handler
	// Subprotocol is the one of the client's offers (see Subprotocols) that is agreed on:
	// the first that Server.Subprotocols has, or what Accept chooses; none if empty.
	Subprotocol string
	// ResponseHeader is added to the response, except for fields that the handshake decides.
	// It is never nil in Accept. On a client's connection it is the header of the server's
	// response.
	ResponseHeader http.Header
	// Value is the program's: what Accept finds out about the client, for NewHandler and OnOpen.
	Value any

	head   []byte  // the request's header, with its empty line
	conn   *Conn   // nil for a request of net/http that is not a handshake
	server *Server // nil for a client
	path   string  // of URI, decoded, once check has parsed it
	query  string  // of URI
	ctx    context.Context
	http   *http.Request // the request of net/http, or nil

	deflate *deflateParams // that are agreed on; nil for no compression

	from *source // nil until noteSource
}

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
	readClock    readClock
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

// deadlines is what a connection with a read deadline needs beyond the engine's deadline.
// There is one of that: it is set to the earlier of the two.
type deadlines struct {
	read time.Time // when the connection ends; zero for never
	ping time.Time // when keepAlive is due; zero for never
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
	flagBegun uint32 = 1 << 16 // OnOpen has returned
	flagOver  uint32 = 1 << 17 // OnDrain is not called any more: OnClose is next, or the connection has left
)

// The methods that the engine calls belong to a type of their own, so that they are not part
// of the API.
type handle Conn

// frameSink is the Conn as the parser sees it.
type frameSink Conn

// next returns the time until the earlier of both; 0 for never.
func (d *deadlines) next() time.Duration {
	at := d.read
	if at.IsZero() || !d.ping.IsZero() && d.ping.Before(at) {
		at = d.ping
	}
	if at.IsZero() {
		return 0
	}
	return max(time.Until(at), time.Millisecond)
}

// interval returns the time from a sign of life to the next ping. The engine checks deadlines
// once per sweep, so a deadline that is one sweep earlier has the ping sent in time.
func (s *endpoint) interval() time.Duration {
	if s.ping <= 0 {
		return 0
	}
	return max(s.ping-s.sweep, s.ping/2)
}

// windowOf returns the bits of our window.
func windowOf(flags uint32) int { return int(flags & deflateBits >> deflateBitsAt) }

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

// SetValue keeps v with the connection, which takes about 100 bytes more from then on. See also SetTag.
func (c *Conn) SetValue(v any) {
	x := c.extras()
	x.mu.Lock()
	x.value = v
	x.mu.Unlock()
}

// SetTag keeps a number below 1<<31 with the connection, for programs that have a table of their own for what they know of
// a connection. It takes four bytes. Only the Handler may call it.
func (c *Conn) SetTag(tag uint32) { c.io.SetTag(tag) }

// Tag returns what SetTag was given last, or 0. It is the same in OnClose, and after Leave and Enter.
func (c *Conn) Tag() uint32 { return c.io.Tag() }

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

// streaming returns the stream of c that began last, or nil if that has ended.
func (c *Conn) streaming() *stream {
	if x := c.extra.Load(); x != nil {
		return x.stream.Load()
	}
	return nil
}

// takeover returns nil for nearly all connections.
func (c *Conn) takeover() *takeover {
	if x := c.extra.Load(); x != nil {
		return x.takeover
	}
	return nil
}

// TLS returns the state of the connection's TLS, or nil if it has none or is closed.
func (c *Conn) TLS() *tls.ConnectionState { return c.io.TLS() }
