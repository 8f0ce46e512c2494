package wsproto

import (
	"bytes"
	"unicode/utf8"
)

func (s *frameSink) charge(n int) { s.io.Charge(n) }

func (s *frameSink) message(op Opcode, payload []byte) bool {
	c := (*Conn)(s)
	if c.flags.Load()&flagClosed != 0 {
		return true // after a close frame only the peer's answer matters
	}
	if c.exceeds(len(payload)) {
		return true
	}
	c.io.CountIn(1)
	c.handler.OnMessage(c, op, payload)
	poison(payload)
	return c.flags.Load()&flagHeld == 0
}

func (s *frameSink) begin(op Opcode, head []byte, deflated bool, frame int64) flow {
	if m := (*Conn)(s).beginStream(op, head, deflated, frame); m != nil {
		return m
	}
	return nil
}

func (s *frameSink) streaming() bool {
	c := (*Conn)(s)
	before := c.streaming()
	return before != nil && before.hold()
}

func (s *frameSink) control(op Opcode, payload []byte) bool {
	c := (*Conn)(s)
	if op == opClose {
		c.onCloseFrame(payload)
		return false
	}
	if c.flags.Load()&flagClosed == 0 && !c.exceeds(len(payload)) {
		c.onPingPong(op, payload)
	}
	return true
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
	c.endpoint.compression.saved.of(c.Loop()).received(len(payload), len(out))
	if receive {
		t.in = appendWindow(window, out, t.inBits)
	}
	return s.message(op, out), nil
}

// onPingPong answers a ping, and tells a PingHandler or PongHandler. It asks here what the
// handler is, so that connections need no flag for that.
func (c *Conn) onPingPong(op Opcode, payload []byte) {
	if op == Ping {
		c.write(Pong, payload, 0)
		if h, ok := c.handler.(PingHandler); ok {
			h.OnPing(c, payload)
		}
	} else if h, ok := c.handler.(PongHandler); ok {
		h.OnPong(c, payload)
	}
}

// onCloseFrame answers a close frame, unless that is the answer to ours, and ends the
// connection (RFC 6455, 5.5.1 and 7.1.1).
func (c *Conn) onCloseFrame(payload []byte) {
	code, reason, err := parseCloseBody(payload)
	if err != nil {
		c.violated(err)
		return
	}
	ce := &CloseError{Code: code, Reason: reason, Remote: true}
	c.closeFrame(code, "", ce)
	c.io.Finish(ce, c.endpoint.closeTimeout)
}

// limits returns the limits for messages that are collected.
func (c *Conn) limits(flags uint32) *limits {
	if flags&flagStream != 0 {
		return c.endpoint.streams.limits(flags&flagStreamAll != 0)
	}
	return &c.endpoint.limits
}
