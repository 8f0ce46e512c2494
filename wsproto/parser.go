package wsproto

import (
	"sync"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// parser turns bytes into messages. It takes any split of the bytes and gives
// the same messages as for one piece; what it has to remember between two calls
// is a pointer that is nil unless a message is incomplete.
type parser struct {
	part *partial
}

// limits are what a side takes, in bytes.
type limits struct {
	frame, message int
}

// sink gets what a parser finds. Payloads are valid during the call. Each reports
// whether parsing is to go on.
type sink interface {
	message(op Opcode, payload []byte) bool
	control(op Opcode, payload []byte) bool
}

// partial is a message of which a part has come.
type partial struct {
	buf  []byte // payload so far, unmasked
	left int64  // bytes of the current frame that are still to come
	mask [4]byte
	pos  int // in the mask
	op   Opcode
	fin  bool // the current frame is the last
	text validator
}

var partials = sync.Pool{New: func() any { return new(partial) }}

// keepBuffer is the largest buffer that a partial goes back to the pool with.
const keepBuffer = 64 << 10

func (m *partial) free() {
	buf := m.buf[:0]
	if cap(buf) > keepBuffer {
		buf = nil
	}
	*m = partial{buf: buf}
	partials.Put(m)
}

// drop forgets a message that is incomplete.
func (r *parser) drop() {
	if r.part != nil {
		r.part.free()
		r.part = nil
	}
}

// feed parses data, which it changes, and returns how many bytes of it are done
// with: all but an incomplete header or control frame, and all if the sink
// stopped it. state is StateServerSide or StateClientSide. The error is a
// *Violation.
func (r *parser) feed(data []byte, state ws.State, lim limits, s sink) (used int, err error) {
	total := len(data)
	for len(data) > 0 {
		if r.part != nil && r.part.left > 0 {
			n, more, err := r.payload(data, s)
			if err != nil || !more {
				return total, err
			}
			data = data[n:]
			continue
		}
		if r.part != nil {
			state = state.Set(ws.StateFragmented)
		} else {
			state = state.Clear(ws.StateFragmented)
		}
		h, n, err := parseHeader(data, state)
		if err != nil {
			return total, err
		}
		if n == 0 {
			break
		}
		body := data[n:]
		if whole := int64(len(body)) >= h.Length; whole && (r.part == nil && h.Fin || h.OpCode.IsControl()) {
			body = body[:h.Length]
			if more, err := r.whole(h, body, lim, s); err != nil || !more {
				return total, err
			}
			data = data[n+len(body):]
			continue
		}
		if h.OpCode.IsControl() {
			break // at most 139 bytes: wait for the rest
		}
		if err := r.begin(h, lim); err != nil {
			return total, err
		}
		data = data[n:]
		if h.Length == 0 {
			if more, err := r.frameEnd(s); err != nil || !more {
				return total, err
			}
		}
	}
	return total - len(data), nil
}

// whole takes a frame that is complete and needs nothing that came before: it is
// unmasked where it lies.
func (r *parser) whole(h ws.Header, body []byte, lim limits, s sink) (more bool, err error) {
	if h.Masked {
		ws.Cipher(body, h.Mask, 0)
	}
	if h.OpCode.IsControl() {
		return s.control(h.OpCode, body), nil
	}
	if err := lim.check(h.Length, 0); err != nil {
		return false, err
	}
	if h.OpCode == Text && !utf8.Valid(body) {
		return false, ErrText
	}
	return s.message(h.OpCode, body), nil
}

func (l limits) check(frame int64, before int) error {
	if frame > int64(l.frame) {
		return ErrFrameSize
	}
	if frame > int64(l.message-before) {
		return ErrMessageSize
	}
	return nil
}

// begin takes the header of a data frame whose payload is not all there, or which
// is one of several of a message. Nothing is allocated for the declared length.
func (r *parser) begin(h ws.Header, lim limits) error {
	before := 0
	if r.part != nil {
		before = len(r.part.buf)
	}
	if err := lim.check(h.Length, before); err != nil {
		return err
	}
	m := r.part
	if m == nil {
		m = partials.Get().(*partial)
		m.op = h.OpCode
		r.part = m
	}
	m.left, m.fin, m.mask, m.pos = h.Length, h.Fin, h.Mask, 0
	return nil
}

// payload takes what data has of the current frame.
func (r *parser) payload(data []byte, s sink) (n int, more bool, err error) {
	m := r.part
	p := data[:min(int64(len(data)), m.left)]
	ws.Cipher(p, m.mask, m.pos) // with a mask of 0 it is the identity
	m.pos = (m.pos + len(p)) & 3
	m.left -= int64(len(p))
	if m.op == Text && !m.text.write(p) {
		return 0, false, ErrText
	}
	m.append(p)
	if m.left > 0 {
		return len(p), true, nil
	}
	more, err = r.frameEnd(s)
	return len(p), more, err
}

// append grows the buffer with what has come, by doubling, but not beyond what
// the current frame can need.
func (m *partial) append(p []byte) {
	if need := len(m.buf) + len(p); need > cap(m.buf) {
		size := max(need, min(max(2*cap(m.buf), 512), need+int(m.left)))
		m.buf = append(make([]byte, 0, size), m.buf...)
	}
	m.buf = append(m.buf, p...)
}

// frameEnd delivers the message if its last frame has ended.
func (r *parser) frameEnd(s sink) (more bool, err error) {
	m := r.part
	if !m.fin {
		return true, nil
	}
	if m.op == Text && !m.text.done() {
		return false, ErrText
	}
	r.part = nil
	defer m.free()
	return s.message(m.op, m.buf), nil
}
