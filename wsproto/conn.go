package wsproto

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// Outcome is what became of a write: see the constants.
type Outcome = netpoll.Outcome

// What a write can answer.
const (
	// Sent: the kernel has all of it.
	Sent = netpoll.Sent
	// Queued: it leaves by itself, after all that was written before.
	Queued = netpoll.Queued
	// Full: refused, because the peer does not take what is pending already.
	Full = netpoll.Full
	// Closed: refused, because the connection is closed or about to be.
	Closed = netpoll.Closed
)

// Conn is a WebSocket connection. Its methods are safe from any goroutine and
// never block; only those of a [Writer] do. It is a handle for life: after the end,
// writes answer Closed.
type Conn struct {
	io       netpoll.Conn
	endpoint *endpoint
	handler  Handler
	parser   parser
	extra    atomic.Pointer[extra]
	flags    atomic.Uint32
	// mark is when the header of a frame is late of which not all has come (see late.go),
	// and after our close frame what was pending when that was last looked at; the turn's.
	mark tick
}

// endpoint is what the connections of a server, or of a client, have in common.
type endpoint struct {
	limits
	streams
	state        ws.State // StateServerSide or StateClientSide
	ping         time.Duration
	pong         time.Duration
	sweep        time.Duration // of the engine, by which a ping may be late
	message      time.Duration // Server.MessageTimeout; without bound unless positive
	closeTimeout time.Duration
	server       *Server
	compression  *Compression // nil: not spoken
	shared       bool         // the engine is the one that clients share
}

// extra is what only some connections have.
type extra struct {
	mu          sync.Mutex
	value       any
	subprotocol string
	takeover    *takeover
	deadlines   *deadlines
	dial        *dial            // a client's handshake, until it is done
	hijacked    *hijackedRequest // what came with a hijacked connection, until the handshake
	stream      atomic.Pointer[stream]
}

const (
	flagOpen      uint32 = 1 << iota // the handshake is done
	flagPinged                       // nothing has come since a ping of ours
	flagClosed                       // a close frame was sent or received
	flagLate                         // our close frame was not answered in time
	flagSilent                       // the time to answer a ping is over
	flagStream                       // the handler takes streams
	flagStreamAll                    // and nothing else
	flagReadEnd                      // the handler wants to know the end of a read
	// see flagDeflate and flagHeld for more
)

// closeFrame sends the last frame that leaves this side. It reports whether it
// was the first.
func (c *Conn) closeFrame(code Code, reason string, err *CloseError) bool {
	var body [maxControl]byte
	var frame [maxHeader + maxControl]byte
	var key [4]byte
	c.flags.Or(flagClosed)
	c.Resume() // the peer's answer is looked for
	first := c.io.WriteLast(appendFrame(frame[:0], true, opClose, appendCloseBody(body[:0], code, reason), c.mask(&key)), err)
	if s := c.streaming(); s != nil {
		s.end(err)
	}
	return first
}

// Close begins the closing handshake: the peer gets a close frame, its answer is
// waited for, for Server.CloseTimeout at most once it has taken what was accepted
// before, and OnClose is called. Nothing is
// delivered or sent after it: what waits behind a [Writer] is lost, and a stream of
// which not all has come ends with an error. A second call does nothing. A code that may not
// stand in a frame is sent as InternalError; NoStatusReceived sends neither code nor
// reason. A reason longer than 123 bytes is cut.
func (c *Conn) Close(code Code, reason string) {
	code, reason = sanitizeClose(code, reason)
	if c.closeFrame(code, reason, &CloseError{Code: code, Reason: reason}) {
		c.io.SetDeadline(c.endpoint.closeTimeout)
	}
}

// Send sends a message, Text, which has to be UTF-8, or Binary; it panics if op is
// anything else: see Ping, Pong and Close. payload is the caller's again when it
// returns. While a [Writer] is open, messages wait behind it: they are Queued, or Full
// if more would be pending than Engine.MaxPending.
func (c *Conn) Send(op Opcode, payload []byte) Outcome {
	mustBeMessage(op)
	return c.write(op, payload, 1)
}

// mustBeMessage panics for a frame that would bypass the rules of control frames, or
// those of fragments: no peer may be blamed for that.
func mustBeMessage(op Opcode) {
	if op != Text && op != Binary {
		panic(noMessage(op))
	}
}

func noMessage(op Opcode) string {
	return fmt.Sprintf("wsproto: a message cannot have opcode %d; it is Text or Binary", op)
}

// SendText sends a text message, which has to be UTF-8.
func (c *Conn) SendText(s string) Outcome { return c.Send(Text, []byte(s)) }

// SendBinary sends a binary message; p is the caller's again when it returns.
func (c *Conn) SendBinary(p []byte) Outcome { return c.Send(Binary, p) }

// SendJSON sends v as a text message. The error is json.Marshal's; then nothing was
// sent, and the outcome has no meaning.
func (c *Conn) SendJSON(v any) (Outcome, error) {
	p, err := json.Marshal(v)
	if err != nil {
		return Closed, fmt.Errorf("wsproto: %w", err)
	}
	return c.Send(Text, p), nil
}

// SendPrepared sends messages that were encoded before. A client, which has to
// mask each frame with a fresh key, cannot: it answers Closed.
func (c *Conn) SendPrepared(p *Prepared) Outcome {
	var o Outcome
	if io, b := c.Frames(p); b != nil {
		o = io.WriteBuffer(b)
	} else if c.endpoint.state.ClientSide() {
		return Closed
	} else {
		o = c.sendDeflated(p)
	}
	if o.OK() {
		c.io.CountOut(p.messages)
	}
	return o
}

// Ping sends a ping with up to 125 bytes of payload; more is cut. The answer is a
// sign of life, which only a [PongHandler] is told of.
func (c *Conn) Ping(payload []byte) Outcome {
	return c.write(Ping, payload[:min(len(payload), maxControl)], 0)
}

// Pong sends a pong that nobody asked for, as a sign of life (RFC 6455, 5.5.3), with
// up to 125 bytes of payload; more is cut. Pings are answered without it.
func (c *Conn) Pong(payload []byte) Outcome {
	return c.write(Pong, payload[:min(len(payload), maxControl)], 0)
}

// write sends one frame, which counts as so many messages.
func (c *Conn) write(op Opcode, payload []byte, messages int) (o Outcome) {
	flags := c.flags.Load()
	if flags&(flagOpen|flagClosed) != flagOpen {
		return Closed
	}
	if flags&flagDeflate != 0 && messages > 0 && len(payload) >= c.endpoint.compression.Threshold {
		o = c.writeDeflated(op, payload, windowOf(flags))
	} else {
		o = c.writeFrame(op, payload)
	}
	if o.OK() {
		c.io.CountOut(messages)
	}
	return o
}

// writeFrame sends one frame; op may carry rsv1.
func (c *Conn) writeFrame(op Opcode, payload []byte) Outcome {
	if c.endpoint.state.ClientSide() {
		return c.writeMasked(op, payload)
	}
	var head [maxHeader]byte
	return c.put(op, appendHeader(head[:0], true, op, len(payload)), payload)
}

// put sends what is a frame already. Control frames may go between the fragments of a
// message (RFC 6455, 5.4).
func (c *Conn) put(op Opcode, head, body []byte) Outcome {
	if op.IsControl() {
		return c.io.WriteUrgent(head, body)
	}
	return c.io.Write(head, body)
}

var scratch = sync.Pool{New: func() any { return new([]byte) }}

// keepScratch is the largest buffer that goes back to scratch.
const keepScratch = 64 << 10

func (c *Conn) writeMasked(op Opcode, payload []byte) Outcome {
	b := scratch.Get().(*[]byte)
	var key [4]byte
	*b = appendFrame((*b)[:0], true, op, payload, c.mask(&key))
	o := c.put(op, nil, *b)
	if cap(*b) <= keepScratch {
		scratch.Put(b)
	}
	return o
}

// mask fills key with a fresh masking key, which no one can predict (RFC 6455,
// 5.3), and returns it, if this is a client's connection; nil if it is a server's.
func (c *Conn) mask(key *[4]byte) *[4]byte {
	if c.endpoint.state.ServerSide() {
		return nil
	}
	binary.LittleEndian.PutUint32(key[:], rand.Uint32())
	return key
}

// opened marks the handshake as done.
func (c *Conn) opened() {
	if streamer(c.handler) != nil {
		c.flags.Or(flagStream)
	}
	if _, ok := c.handler.(ReadHandler); ok {
		c.flags.Or(flagReadEnd)
	}
	if s := c.endpoint.server; s != nil {
		s.counters.add()
	}
	c.flags.Or(flagOpen)
	c.armFirst()
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

// RemoteAddr asks the kernel for the peer's address; zero after the end.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.io.RemoteAddr() }

// LocalAddr asks the kernel for our address; zero after the end.
func (c *Conn) LocalAddr() netip.AddrPort { return c.io.LocalAddr() }

// Loop returns the number of the event loop that the connection belongs to, for
// those who group connections; it does not change.
func (c *Conn) Loop() int { return c.io.Loop() }

// Pending returns the number of bytes that wait for the peer to take them.
func (c *Conn) Pending() int { return c.io.Pending() }

// WhenDrained calls t.Schedule once, as soon as nothing is pending, at once if that is
// so now or no more can be sent; so who had Queued, or Full, from a send, and calls it
// afterwards, is told in any case. There is one t at a time: another call replaces it,
// nil takes it back. Schedule is called under locks: it must not block, nor call a
// method of a Conn. A task of [Server.NewTask] or [Server.InitTask] is right.
func (c *Conn) WhenDrained(t interface{ Schedule() }) { c.io.WhenDrained(t) }
