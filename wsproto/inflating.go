package wsproto

import (
	"bufio"
	"bytes"
	"io"

	"github.com/klauspost/compress/flate"
)

// inflating reads what a compressed stream becomes when it is decompressed, in
// memory that does not grow with it.
type inflating struct {
	s       *stream
	src     *bufio.Reader // the stream and inflateTail
	f       *inflater
	window  []byte // the end of what was read
	left    int64  // bytes that Server.MaxStream lets come
	streams int    // of DEFLATE, that the message may still be made of
	text    validator
	err     error
}

func newInflating(s *stream) *inflating {
	r := &inflating{
		s:       s,
		src:     bufio.NewReader(io.MultiReader(struct{ io.Reader }{s}, bytes.NewReader([]byte(inflateTail)))),
		f:       inflaters.Get().(*inflater),
		left:    s.c.side.streams.most,
		streams: maxStreams,
	}
	if t := s.takeover(); t != nil {
		r.window = append(r.window, t.in...)
	}
	r.next()
	return r
}

// takeover returns what the message may refer to, and what may refer to it; nil if
// nothing does.
func (s *stream) takeover() *takeover {
	if t := s.c.takeover(); t != nil && t.receive {
		return t
	}
	return nil
}

func (r *inflating) free() {
	_ = r.f.r.(flate.Resetter).Reset(bytes.NewReader(nil), nil)
	r.f.free()
	r.f, r.err = nil, errStreamOver
}

func (r *inflating) next() {
	r.streams--
	_ = r.f.r.(flate.Resetter).Reset(r.src, r.window)
}

// Read implements io.Reader.
func (r *inflating) Read(p []byte) (n int, err error) {
	for n == 0 && r.err == nil && len(p) > 0 {
		n, err = r.f.r.Read(p)
		r.window = appendWindow(r.window, p[:n], maxWindowBits)
		r.err = r.judge(p[:n], err)
	}
	return n, r.err
}

// judge looks at what was read, and returns the error that reading ends with.
func (r *inflating) judge(p []byte, err error) error {
	if r.left -= int64(len(p)); r.left < 0 {
		return r.fail(ErrMessageSize)
	}
	if r.s.op == Text && !r.text.write(p) {
		return r.fail(ErrText)
	}
	switch {
	case err == nil:
		return nil
	case r.s.isCut():
		return r.s.why()
	case err != io.EOF:
		return r.fail(ErrDeflate)
	}
	// See inflater.inflate.
	if more, _ := r.src.Peek(len(inflateTail)); len(more) == len(inflateTail) {
		if r.streams == 0 {
			return r.fail(ErrDeflate)
		}
		r.next()
		return nil
	}
	if r.s.op == Text && !r.text.done() {
		return r.fail(ErrText)
	}
	if t := r.s.takeover(); t != nil {
		t.in = appendWindow(t.in[:0], r.window, t.inBits)
	}
	return io.EOF
}

// fail ends the connection for v.
func (r *inflating) fail(v *Violation) error {
	r.s.c.fail(v.Code, v.Rule, v)
	return v
}

// rest reads what the handler did not want to know, if what follows may refer to
// it.
func (r *inflating) rest() error {
	if r.s.takeover() == nil {
		return nil
	}
	_, err := io.Copy(io.Discard, r)
	return err
}
