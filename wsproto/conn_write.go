package wsproto

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
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

// compress notes the parameters that were agreed on.
func (c *Conn) compress(d *deflateParams) {
	send, receive := !d.serverNoTakeover, !d.clientNoTakeover
	outBits, inBits := orMax(d.serverBits), orMax(d.clientBits)
	if c.endpoint.state.ClientSide() {
		send, receive = receive, send
		outBits, inBits = inBits, outBits
	}
	c.flags.Or(flagDeflate | uint32(outBits)<<deflateBitsAt)
	if send || receive {
		c.extras().takeover = &takeover{send: send, receive: receive, inBits: inBits}
	}
}

// writeDeflated sends a message compressed. Without takeover it does so only if that makes
// the message smaller; with takeover always, since bytes that look random may be repeated
// later.
func (c *Conn) writeDeflated(op Opcode, payload []byte, bits int) Outcome {
	k := c.endpoint.compression
	t := c.takeover()
	if t == nil || !t.send {
		d := k.smaller(payload, bits)
		if d == nil {
			return c.writeFrame(op, payload)
		}
		defer d.free()
		k.saved.of(c.Loop()).sent(len(payload), len(d.bytes()))
		return c.writeFrame(op|rsv1, d.bytes())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	d := k.deflate(payload, t.out, bits)
	defer d.free()
	p := d.bytes()
	k.saved.of(c.Loop()).sent(len(payload), len(p))
	o := c.writeFrame(op|rsv1, p)
	if o.OK() {
		if t.shared {
			t.out, t.shared = slices.Clone(t.out), false
		}
		t.out = appendWindow(t.out, payload, bits)
	}
	return o
}
