package wsproto

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"sync"

	"github.com/klauspost/compress/flate"
)

// inflater decompresses one message at a time.
type inflater struct {
	in  []byte // the message, followed by inflateTail; a slab
	src bytes.Reader
	r   io.ReadCloser
	out []byte // a slab
}

var inflaters = sync.Pool{New: func() any {
	return &inflater{r: flate.NewReader(bytes.NewReader(nil))}
}}

// inflateTail is flushTail, followed by an empty last block, so that the end of the message
// is an end of the stream too.
const inflateTail = flushTail + "\x01\x00\x00\xff\xff"

func (f *inflater) free() {
	f.in, f.out = keepSlab(f.in), keepSlab(f.out)
	inflaters.Put(f)
}

// inflate returns p decompressed; it may refer to window, which came before. It stops when
// the result exceeds limit bytes. The result is valid until free. The error is a *Violation.
func (f *inflater) inflate(p, window []byte, limit int) ([]byte, error) {
	f.in = appendSlab(appendSlab(f.in[:0], p), []byte(inflateTail))
	f.src.Reset(f.in)
	f.out = f.out[:0]
	if limit < 0 {
		return nil, errMessageSize
	}
	limit = min(limit, math.MaxInt-1) // one byte more shows that it is too much
	dict := window
	for range maxStreams {
		_ = f.r.(flate.Resetter).Reset(&f.src, dict) // it copies dict
		if err := f.readAll(limit); err != nil {
			return nil, err
		}
		if f.src.Len() < len(inflateTail) {
			return f.out, nil
		}
		dict = appendWindow(slices.Clone(window), f.out, maxWindowBits)
	}
	return nil, errDeflate
}

// maxStreams is how many streams a message may consist of: a peer may end one within the
// message, with a block marked as the last, and begin another (RFC 7692, 7.2.1 and 7.2.3.4).
// This is rare, and each costs the copy of a window.
const maxStreams = 64

// readAll appends the rest of the stream to out.
func (f *inflater) readAll(limit int) error {
	for {
		if len(f.out) == cap(f.out) {
			f.out = growSlab(f.out, minRoom)
		}
		n, err := f.r.Read(f.out[len(f.out):min(cap(f.out), limit+1)])
		f.out = f.out[:len(f.out)+n]
		switch {
		case len(f.out) > limit:
			return errMessageSize
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return errDeflate
		}
	}
}
