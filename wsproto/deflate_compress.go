package wsproto

import (
	"bytes"
	"errors"
	"math"
	"sync"

	"github.com/klauspost/compress/flate"
)

// flushTail is the end of a flushed block of DEFLATE. It is removed from what is sent, and
// appended to what is received (RFC 7692, 7.2).
const flushTail = "\x00\x00\xff\xff"

// deflater compresses one message at a time.
type deflater struct {
	w     *flate.Writer
	out   []byte // a slab
	limit int    // bytes that out may have
}

// deflaters has a pool for each level, windowDeflaters one for each window below the largest.
var deflaters, windowDeflaters [16]sync.Pool

func (k *Compression) pool(bits int) *sync.Pool {
	if bits < maxWindowBits {
		return &windowDeflaters[bits]
	}
	return &deflaters[k.Level]
}

// deflater returns a deflater for windows of so many bits. The caller must give it back with
// free.
func (k *Compression) deflater(bits int) *deflater {
	if d, ok := k.pool(bits).Get().(*deflater); ok {
		return d
	}
	d := new(deflater)
	if bits < maxWindowBits {
		d.w, _ = flate.NewWriterWindow(nil, 1<<bits) // bits and Level are valid
	} else {
		d.w, _ = flate.NewWriter(nil, k.Level)
	}
	return d
}

// free gives the deflater back. A large result goes back to the slabs: if each large message allocated one, the garbage
// collector would run so often that it took the deflaters, too, which have about 800 KB.
func (k *Compression) free(d *deflater, bits int) {
	d.out = keepSlab(d.out)
	k.pool(bits).Put(d)
}

// deflate returns p compressed; it may refer to window, which was sent before. The result is
// valid until the deflater is used again.
func (d *deflater) deflate(p, window []byte) []byte {
	out, _ := d.run(p, window, math.MaxInt)
	return out
}

// smaller returns p compressed by itself, or false if that does not make it smaller. What cannot be compressed costs
// little: package flate skips ahead where it finds no matches, and takes 6 µs for 64 KiB of random bytes.
func (d *deflater) smaller(p []byte) ([]byte, bool) { return d.run(p, nil, len(p)-1+len(flushTail)) }

// run reports whether the result, with flushTail, has at most limit bytes.
func (d *deflater) run(p, window []byte, limit int) ([]byte, bool) {
	d.out, d.limit = d.out[:0], limit
	d.w.ResetDict(d, window)
	_, _ = d.w.Write(p) // the error of Write is that of Flush
	if err := d.w.Flush(); err != nil {
		return nil, false
	}
	return bytes.TrimSuffix(d.out, []byte(flushTail)), true
}

var errNotSmaller = errors.New("wsproto: a message does not become smaller by compression")

// Write takes a part of the result.
func (d *deflater) Write(p []byte) (int, error) {
	if len(p) > d.limit-len(d.out) {
		return 0, errNotSmaller
	}
	d.out = appendSlab(d.out, p)
	return len(p), nil
}
