package wsproto

import (
	"bufio"
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// inflateReader decompresses a message as it is read, in memory that does not grow with the
// message.
type inflateReader struct {
	mu      sync.Mutex // held by Read
	s       *stream
	src     *bufio.Reader // the stream, followed by inflateTail
	f       *inflater
	window  []byte // the end of what was read, and up to a quarter more
	left    int64  // bytes that Server.MaxStream still allows
	streams int    // DEFLATE streams that the message may still consist of
	text    validator
	err     error
}

func newInflateReader(s *stream) *inflateReader {
	r := &inflateReader{
		s:       s,
		src:     bufio.NewReader(io.MultiReader(struct{ io.Reader }{s}, bytes.NewReader([]byte(inflateTail)))),
		f:       inflaters.Get().(*inflater),
		left:    s.c.endpoint.streams.most,
		streams: maxStreams,
	}
	if t := s.takeover(); t != nil {
		r.window = append(r.window, t.in...)
	}
	r.next()
	return r
}

// takeover returns the context that the message may refer to and extends, or nil if there is
// none.
func (s *stream) takeover() *takeover {
	if t := s.c.takeover(); t != nil && t.receive {
		return t
	}
	return nil
}

// free ends reading. An inflater that is being read from nevertheless does not go back to the
// pool.
func (r *inflateReader) free() {
	if !r.mu.TryLock() {
		return
	}
	defer r.mu.Unlock()
	_ = r.f.r.(flate.Resetter).Reset(bytes.NewReader(nil), nil)
	r.f.free()
	r.f, r.err = nil, errStreamOver
}

func (r *inflateReader) next() {
	r.streams--
	_ = r.f.r.(flate.Resetter).Reset(r.src, r.window)
}

// Read implements io.Reader.
func (r *inflateReader) Read(p []byte) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n == 0 && r.err == nil && len(p) > 0 {
		n, err = r.f.r.Read(p)
		if v := r.judge(p[:n]); v != nil {
			r.err = r.fail(v)
			return 0, r.err
		}
		r.remember(p[:n])
		if err != nil {
			r.err = r.ended(err)
		}
	}
	return n, r.err
}

// judge checks what was read.
func (r *inflateReader) judge(p []byte) *Violation {
	if r.left -= int64(len(p)); r.left < 0 {
		return errMessageSize
	}
	if r.s.op == Text && !r.text.write(p) {
		return errInvalidUTF8
	}
	return nil
}

// remember adds p to the window, which is not trimmed each time: p may be a single byte.
func (r *inflateReader) remember(p []byte) {
	const size = 1 << maxWindowBits
	r.window = append(r.window, p...)
	if len(r.window) > size+size/4 {
		r.window = r.window[:copy(r.window, r.window[len(r.window)-size:])]
	}
}

// ended finds out why DEFLATE has ended, and returns the error with which reading ends, or
// nil if the message goes on.
func (r *inflateReader) ended(err error) error {
	var more []byte
	if err == io.EOF { // see inflater.inflate
		more, _ = r.src.Peek(len(inflateTail))
	}
	switch cut := r.s.interrupted(); {
	case cut != nil:
		return cut
	case err != io.EOF, len(more) == len(inflateTail) && r.streams == 0:
		return r.fail(errDeflate)
	case len(more) == len(inflateTail):
		r.next()
		return nil
	case r.s.op == Text && !r.text.done():
		return r.fail(errInvalidUTF8)
	}
	if t := r.s.takeover(); t != nil {
		t.in = appendWindow(t.in[:0], r.window, t.inBits)
	}
	return io.EOF
}

// fail ends the connection because of v.
func (r *inflateReader) fail(v *Violation) error {
	r.s.c.fail(v.Code, v.Rule, v)
	return cutShort(&CloseError{Code: v.Code, Reason: v.Rule, Err: v})
}

// rest reads what the handler did not read, if later messages may refer to it.
func (r *inflateReader) rest() error {
	if r.s.takeover() == nil {
		return nil
	}
	_, err := io.Copy(io.Discard, r)
	return err
}
