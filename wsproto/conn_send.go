package wsproto

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// Outcome is the result of a write.
type Outcome = netpoll.Outcome

// The outcomes of a write.
const (
	// Sent: the kernel has all of it.
	Sent = netpoll.Sent
	// Queued: it will be sent without further calls, after everything written before.
	Queued = netpoll.Queued
	// Full: refused, because too much is pending that the peer has not taken.
	Full = netpoll.Full
	// Closed: refused, because the connection is closed or about to be.
	Closed = netpoll.Closed
)

// Send sends a message of type Text, which must be UTF-8, or Binary. It panics for any other
// op: see Ping, Pong and Close. The caller may reuse payload when Send returns. While a
// [Writer] is open messages wait behind it: they are Queued, or Full if more than
// Engine.MaxPending would be pending.
func (c *Conn) Send(op Opcode, payload []byte) Outcome {
	mustBeMessage(op)
	return c.write(op, payload, 1)
}

// mustBeMessage panics for an op that would bypass the rules of control frames or fragments:
// the peer must not be blamed for that.
func mustBeMessage(op Opcode) {
	if op != Text && op != Binary {
		panic(noMessage(op))
	}
}

func noMessage(op Opcode) string {
	return fmt.Sprintf("wsproto: a message cannot have opcode %d; it is Text or Binary", op)
}

// SendText sends a text message, which must be UTF-8.
func (c *Conn) SendText(s string) Outcome { return c.Send(Text, []byte(s)) }

// SendBinary sends a binary message. The caller may reuse p when it returns.
func (c *Conn) SendBinary(p []byte) Outcome { return c.Send(Binary, p) }

// SendJSON sends v as a text message. The error is that of json.Marshal; after an error
// nothing was sent, and the outcome has no meaning.
func (c *Conn) SendJSON(v any) (Outcome, error) {
	p, err := json.Marshal(v)
	if err != nil {
		return Closed, fmt.Errorf("wsproto: %w", err)
	}
	return c.Send(Text, p), nil
}

// SendPrepared sends messages that were encoded before. On a client's connection it sends
// nothing and returns Closed, because a client must mask each frame with a fresh key.
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

// Ping sends a ping with up to 125 bytes of payload; a longer one is cut. The answer is a
// sign of life; a [PongHandler] is told of it.
func (c *Conn) Ping(payload []byte) Outcome {
	return c.write(Ping, payload[:min(len(payload), maxControl)], 0)
}

// Pong sends an unsolicited pong, as a sign of life (RFC 6455, 5.5.3), with up to 125 bytes
// of payload; a longer one is cut. Pings are answered without it.
func (c *Conn) Pong(payload []byte) Outcome {
	return c.write(Pong, payload[:min(len(payload), maxControl)], 0)
}

// write sends one frame and counts it as so many messages.
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

// writeFrame sends one frame; op may include rsv1.
func (c *Conn) writeFrame(op Opcode, payload []byte) Outcome {
	if c.endpoint.state.ClientSide() {
		return c.writeMasked(op, payload)
	}
	var head [maxHeader]byte
	return c.put(op, appendHeader(head[:0], true, op, len(payload)), payload)
}

// put sends a complete frame. Control frames may go between the fragments of a message (RFC
// 6455, 5.4).
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

// mask fills key with a fresh masking key, which nobody can predict (RFC 6455, 5.3), and
// returns it for a client's connection. For a server's it returns nil.
func (c *Conn) mask(key *[4]byte) *[4]byte {
	if c.endpoint.state.ServerSide() {
		return nil
	}
	binary.LittleEndian.PutUint32(key[:], rand.Uint32())
	return key
}

// Pending returns the number of bytes that the peer has yet to take.
func (c *Conn) Pending() int { return c.io.Pending() }

// WhenDrained calls t.Schedule once, as soon as nothing is pending; at once if that is so
// already, or if nothing can be sent any more. So a caller that got Queued or Full, and then
// calls WhenDrained, is told in any case. There is one t at a time: another call replaces it,
// nil removes it. Schedule is called under locks: it must not block or call a method of a
// Conn. Use a task of [Server.NewTask] or [Server.InitTask].
func (c *Conn) WhenDrained(t interface{ Schedule() }) { c.io.WhenDrained(t) }
