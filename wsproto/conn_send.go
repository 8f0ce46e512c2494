package wsproto

import (
	"encoding/json"
	"fmt"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// Send sends a message of type Text, which must be UTF-8, or Binary. It panics for any other
// op: see Ping, Pong and Close. The caller may reuse payload when Send returns. While a
// [Writer] is open messages wait behind it: they are Queued, or Full if more than
// Engine.MaxPending would be pending.
func (c *Conn) Send(op Opcode, payload []byte) Outcome {
	mustBeMessage(op)
	return c.write(op, payload, 1)
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

// sendDeflated sends the compressed form of p, and notes it. That form refers to nothing, so
// it is right whatever was sent before; later messages may refer to it.
func (c *Conn) sendDeflated(p *Prepared) Outcome {
	v, t := p.deflated(c.endpoint.compression, windowOf(c.flags.Load())), c.takeover()
	t.mu.Lock()
	defer t.mu.Unlock()
	o := c.io.WriteBuffer(v.frames)
	if o.OK() && len(v.tail) > 0 {
		t.out, t.shared = v.tail, true
	}
	return o
}

// Frames returns the bytes of p for c's peer, with the connection to write them to. It is for
// a [netpoll.Burst], which sends to many connections what SendPrepared sends to one. frames
// is nil on a connection that compresses with context takeover, and on a client's: there the
// caller must use SendPrepared.
func (c *Conn) Frames(p *Prepared) (conn *netpoll.Conn, frames *netpoll.Buffer) {
	flags := c.flags.Load()
	if c.endpoint.state.ClientSide() {
		return nil, nil
	} else if flags&flagDeflate == 0 {
		return &c.io, p.frames
	} else if t := c.takeover(); t != nil && t.send {
		return nil, nil
	}
	return &c.io, p.deflated(c.endpoint.compression, windowOf(flags)).frames
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

// Pending returns the number of bytes that the peer has yet to take.
func (c *Conn) Pending() int { return c.io.Pending() }

// WhenDrained calls t.Schedule once, as soon as nothing is pending; at once if that is so
// already, or if nothing can be sent any more. So a caller that got Queued or Full, and then
// calls WhenDrained, is told in any case. There is one t at a time: another call replaces it,
// nil removes it. Schedule is called under locks: it must not block or call a method of a
// Conn. Use a task of [Server.NewTask] or [Server.InitTask].
func (c *Conn) WhenDrained(t interface{ Schedule() }) { c.io.WhenDrained(t) }
