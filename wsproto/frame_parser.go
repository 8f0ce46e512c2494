package wsproto

import (
	"sync"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// parser turns bytes into messages. However the bytes are split, the messages are the same. A
// message above the limit goes to a stream as it comes, if the sink has one for it. Between
// two calls the parser keeps only a pointer, which is nil unless a message is incomplete.
type parser struct {
	part *partial
}

// sink receives what a parser finds. Payloads are valid during the call. Each method reports
// whether parsing continues. If not, feed leaves over what follows a message, and drops what
// follows a control frame.
type sink interface {
	message(op Opcode, payload []byte) bool
	inflate(op Opcode, payload []byte) (more bool, err error) // a compressed message
	control(op Opcode, payload []byte) bool
	// begin begins a message that is larger than what is collected. head is what has come of
	// it, compressed or not; the stream owns it. frame is the length of the frame that begins
	// now. It returns nil if nothing takes the message.
	begin(op Opcode, head []byte, deflated bool, frame int64) flow
	// streaming reports whether the previous stream is still at work. Then no data frame is
	// parsed; a sink that returns true must see to it that feed is called again.
	streaming() bool
	// charge counts n more bytes of memory for a message that is incomplete, or fewer if n is
	// negative.
	charge(n int)
}

// flow takes the payload of a message as it comes.
type flow interface {
	// grow reports whether the message may have another frame, of n bytes.
	grow(n int64) bool
	// room returns how many of n bytes can be written. If that is less than n, feed is called
	// again when there is more.
	room(n int) int
	// write appends p, for which there is room.
	write(p []byte)
	// thrown reports whether the rest of the message is discarded, and how much of it has come.
	thrown() (bytes int, ok bool)
	// end ends the message: with nil at its end.
	end(*CloseError)
}

// partial is a message of which a part has come.
type partial struct {
	buf  []byte // payload so far, unmasked
	left int64  // bytes of the current frame that are still to come
	mask [4]byte
	pos  int // in the mask
	op   Opcode
	fin  bool // the current frame is the last
	rsv1 bool // the message is compressed
	text validator

	flow flow // if not nil, takes the payload instead of buf
	pace tickPace
}

// held returns the memory that is counted for the message: buffers that are large enough to
// matter.
func (r *parser) held() int {
	if m := r.part; m != nil && cap(m.buf) >= minSlab {
		return cap(m.buf)
	}
	return 0
}

// streamed is parser.part from the end of a streamed message to the next data frame. All
// parsers share it, so that an idle connection keeps nothing.
var streamed = new(partial)

var partials = sync.Pool{New: func() any { return new(partial) }}

// free returns m to its pool, with its buffer if that is small.
func (m *partial) free() {
	buf := m.buf[:0]
	if cap(buf) >= minSlab {
		freeSlab(buf)
		buf = nil
	}
	*m = partial{buf: buf}
	partials.Put(m)
}

// drop discards a message that is incomplete.
func (r *parser) drop() {
	if r.part != nil && r.part != streamed {
		r.part.free()
	}
	r.part = nil
}

// feed parses data, which it changes, and returns how many bytes of it are consumed: all but
// an incomplete header or control frame, the bytes for which a stream has no room, and what
// the sink leaves over when it stops. state is StateServerSide or StateClientSide, with
// StateExtended if messages may be compressed. The error is a *Violation.
//
// Its inner loop handles nearly all frames: a complete message in a single frame of less than
// 64 KiB with a valid header is delivered in place. Applying the rules of parseHeader to each
// of these would cost three times the instructions.
func (r *parser) feed(data []byte, state ws.State, lim *limits, s sink) (used int, err error) {
	masked := byte(state&ws.StateServerSide) << 7
	for i := 0; ; {
		for len(data)-i >= 2 && r.part == nil {
			op, n, at := Opcode(data[i]^0x80), int(data[i+1]^masked), i+2
			if op != Text && op != Binary || n > 126 {
				break
			}
			if n == 126 {
				if len(data)-i < 4 {
					break
				}
				if n, at = int(data[i+2])<<8|int(data[i+3]), i+4; n < 126 {
					break
				}
			}
			at += int(masked >> 5) // the masking key has four bytes
			end := at + n
			if end > len(data) || n > lim.frame || n > lim.message {
				break
			}
			body := data[at:end:end] // capped, so that a handler's append cannot reach the next frame
			if masked != 0 {
				ws.Cipher(body, [4]byte(data[at-4:at]), 0)
			}
			if op == Text && !utf8.Valid(body) {
				return len(data), errInvalidUTF8
			}
			if i = end; !s.message(op, body) {
				return i, nil
			}
		}
		if i == len(data) {
			return i, nil
		}
		n, more, err := r.other(data[i:], state, lim, s)
		if err != nil {
			return len(data), err
		}
		if i += n; n == 0 || !more {
			return i, nil
		}
	}
}

// other takes a step that feed's inner loop cannot. n is 0 if not enough has come for it.
func (r *parser) other(data []byte, state ws.State, lim *limits, s sink) (n int, more bool, err error) {
	if r.part != nil && r.part.left > 0 {
		return r.payload(data, s)
	}
	return r.frame(data, state, lim, s)
}

// frame handles the header of any other frame, and the whole of a control frame. n is 0 if
// not enough of it has come.
func (r *parser) frame(data []byte, state ws.State, lim *limits, s sink) (n int, more bool, err error) {
	if r.part != nil && r.part != streamed {
		state = state.Set(ws.StateFragmented)
	}
	h, n, err := parseHeader(data, state)
	if err != nil || n == 0 {
		return 0, true, err
	}
	if h.OpCode.IsControl() {
		body := data[n:]
		if int64(len(body)) < h.Length {
			return 0, true, nil // at most 139 bytes, so wait for the rest
		}
		body = body[:h.Length:h.Length]
		ws.Cipher(body, h.Mask, 0)
		if !s.control(h.OpCode, body) {
			return len(data), false, nil
		}
		return n + len(body), true, nil
	}
	if r.part == streamed {
		if s.streaming() {
			return 0, true, nil
		}
		r.part = nil
	}
	if body := data[n:]; h.Rsv != 0 && h.Fin && int64(len(body)) >= h.Length && lim.check(h.Length, 0, true) == nil {
		ws.Cipher(body[:h.Length], h.Mask, 0) // complete in one frame, so it need not be kept
		more, err = s.inflate(h.OpCode, body[:h.Length])
		return n + int(h.Length), more, err
	}
	if err := r.begin(h, lim, s); err != nil {
		return 0, false, err
	}
	if h.Length == 0 {
		more, err = r.frameEnd(s)
		return n, more, err
	}
	return n, true, nil
}

// begin handles the header of a data frame that is incomplete, or one of several of a
// message. Nothing is allocated for the declared length.
func (r *parser) begin(h ws.Header, lim *limits, s sink) error {
	m := r.part
	if m == nil {
		m = partials.Get().(*partial)
		m.op, m.rsv1 = h.OpCode, h.Rsv != 0
		r.part = m
	}
	switch err := lim.check(h.Length, len(m.buf), m.rsv1); {
	case err == errFrameSize:
		return err
	case m.flow != nil:
		if !m.flow.grow(h.Length) {
			return errMessageSize
		}
	case err != nil:
		if m.flow = s.begin(m.op, m.buf, m.rsv1, h.Length); m.flow == nil {
			return err
		}
		if n := r.held(); n != 0 {
			s.charge(-n) // from now on the stream's, whose memory is bounded
		}
		m.buf = nil
	}
	m.left, m.fin, m.mask, m.pos = h.Length, h.Fin, h.Mask, 0
	return nil
}

// payload handles the bytes of the current frame that are in data.
func (r *parser) payload(data []byte, s sink) (n int, more bool, err error) {
	m := r.part
	p := data[:min(int64(len(data)), m.left)]
	if m.flow != nil {
		if p = p[:m.flow.room(len(p))]; len(p) == 0 {
			return 0, true, nil
		}
	}
	if err := m.decode(p); err != nil {
		return 0, false, err
	}
	if m.flow != nil {
		m.flow.write(p)
	} else {
		had := r.held()
		m.append(p)
		if n := r.held() - had; n != 0 {
			s.charge(n)
		}
	}
	more, err = r.payloadEnd(s)
	return len(p), more, err
}

// decode unmasks and validates p, the next bytes of the current frame.
func (m *partial) decode(p []byte) error {
	ws.Cipher(p, m.mask, m.pos) // a mask of 0 is the identity
	m.pos = (m.pos + len(p)) & 3
	m.left -= int64(len(p))
	if m.op == Text && !m.rsv1 && !m.text.write(p) {
		return errInvalidUTF8
	}
	return nil
}

// room returns the buffer into which the next bytes of a long payload can be read, which
// saves a copy, or nil if there is no such payload under way. filled must be told how many
// there were.
func (r *parser) room() []byte {
	m := r.part
	if m == nil || m.flow != nil || m.left < minRoom {
		return nil
	}
	n, have := int(min(m.left, maxRoom)), len(m.buf)
	if need := have + min(n, max(have, minRoom)); need > cap(m.buf) {
		m.grow(need, have+int(m.left))
	}
	return m.buf[have:min(cap(m.buf), have+n)]
}

// minRoom is the remaining payload, in bytes, from which on a read of its own saves more than
// it costs. It is also the size of the first such read.
const minRoom = 16 << 10

// maxRoom bounds the result of room, in bytes, so that other connections have their turn too.
const maxRoom = 256 << 10

// filled handles the first n bytes of the buffer that room returned.
func (r *parser) filled(n int, s sink) error {
	m := r.part
	have := len(m.buf)
	m.buf = m.buf[:have+n]
	if err := m.decode(m.buf[have:]); err != nil {
		return err
	}
	_, err := r.payloadEnd(s)
	return err
}

// payloadEnd ends the frame if it is complete.
func (r *parser) payloadEnd(s sink) (more bool, err error) {
	if r.part.left > 0 {
		return true, nil
	}
	return r.frameEnd(s)
}

func (m *partial) append(p []byte) {
	if len(m.buf)+len(p) > cap(m.buf) {
		need := len(m.buf) + len(p)
		m.grow(need, need+int(m.left))
	}
	m.buf = append(m.buf, p...)
}

// grow makes room for need bytes: for all that is announced, if there is an idle slab of that
// size; else by doubling as bytes come. It never grows by less, since a message in fragments
// of one byte would be copied for each of them.
func (m *partial) grow(need, announced int) {
	var buf []byte
	double := max(need, 2*cap(m.buf), 512)
	switch {
	case announced >= minSlab:
		if buf = newSlab(announced, true); buf == nil {
			buf = newSlab(double, false)
		}
	case m.fin:
		buf = make([]byte, 0, min(double, announced))
	default:
		buf = make([]byte, 0, double)
	}
	buf = append(buf, m.buf...)
	freeSlab(m.buf)
	m.buf = buf
}

// frameEnd delivers the message if its last frame has ended.
func (r *parser) frameEnd(s sink) (more bool, err error) {
	m := r.part
	if !m.fin {
		return true, nil
	}
	if m.op == Text && !m.text.done() {
		return false, errInvalidUTF8
	}
	if n := r.held(); n != 0 {
		s.charge(-n)
	}
	defer m.free()
	if m.flow != nil {
		r.part = streamed
		m.flow.end(nil)
		return true, nil
	}
	r.part = nil
	if m.rsv1 {
		return s.inflate(m.op, m.buf)
	}
	return s.message(m.op, m.buf), nil
}
