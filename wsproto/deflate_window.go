package wsproto

import (
	"bytes"
	"slices"
	"sync"
	"unicode/utf8"
)

// windowOf returns the bits of our window.
func windowOf(flags uint32) int { return int(flags & deflateBits >> deflateBitsAt) }

// takeover is the context that a connection keeps so that messages may refer to earlier ones.
type takeover struct {
	send, receive bool
	inBits        int
	in            []byte // the end of what was received; the turn's
	// mu is held from the compression of a message to its write, so that both have the same
	// order.
	mu     sync.Mutex
	out    []byte // the end of what was sent
	shared bool   // out belongs to a Prepared
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

// takeover returns nil for nearly all connections.
func (c *Conn) takeover() *takeover {
	if x := c.extra.Load(); x != nil {
		return x.takeover
	}
	return nil
}

// inflate delivers a compressed message.
func (s *frameSink) inflate(op Opcode, payload []byte) (more bool, err error) {
	c := (*Conn)(s)
	if c.flags.Load()&flagClosed != 0 { // it is not delivered any more, and a stream may still use the window
		return true, nil
	}
	f := inflaters.Get().(*inflater)
	defer f.free()
	var window []byte
	t := c.takeover()
	receive := t != nil && t.receive
	if receive {
		window = t.in
	}
	flags := c.flags.Load()
	out, err := f.inflate(payload, window, c.limits(flags).message)
	if err == errMessageSize && flags&flagStream != 0 {
		if m := c.beginStream(op, bytes.Clone(payload), true, 0); m != nil {
			m.end(nil)
			c.parser.part = streamed
			return true, nil
		}
	}
	if err != nil {
		return false, err
	}
	if op == Text && !utf8.Valid(out) {
		return false, errInvalidUTF8
	}
	if receive {
		t.in = appendWindow(window, out, t.inBits)
	}
	return s.message(op, out), nil
}

// writeDeflated sends a message compressed. Without takeover it does so only if that makes
// the message smaller; with takeover always, since bytes that look random may be repeated
// later.
func (c *Conn) writeDeflated(op Opcode, payload []byte, bits int) Outcome {
	k := c.endpoint.compression
	d := k.deflater(bits)
	defer k.free(d, bits)
	t := c.takeover()
	if t == nil || !t.send {
		if p := d.deflate(payload, nil); len(p) < len(payload) {
			return c.writeFrame(op|rsv1, p)
		}
		return c.writeFrame(op, payload)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	o := c.writeFrame(op|rsv1, d.deflate(payload, t.out))
	if o.OK() {
		if t.shared {
			t.out, t.shared = slices.Clone(t.out), false
		}
		t.out = appendWindow(t.out, payload, bits)
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
