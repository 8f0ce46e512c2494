package wsproto

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/flate"
)

// flushTail is the end of a flushed block of DEFLATE. It is removed from what is sent, and
// appended to what is received (RFC 7692, 7.2).
const flushTail = "\x00\x00\xff\xff"

// deflater compresses one message at a time.
type deflater struct {
	w   *flate.Writer
	out bytes.Buffer
}

// deflaters has a pool for each level, windowDeflaters one for each window below the largest.
var deflaters, windowDeflaters [16]sync.Pool

// keepDeflated is the largest buffer with which a deflater goes back to its pool.
const keepDeflated = 64 << 10

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

func (k *Compression) free(d *deflater, bits int) {
	if d.out.Cap() > keepDeflated {
		d.out = bytes.Buffer{}
	}
	k.pool(bits).Put(d)
}

// deflate returns p compressed; it may refer to window, which was sent before. The result is
// valid until the deflater is used again.
func (d *deflater) deflate(p, window []byte) []byte {
	d.out.Reset()
	d.w.ResetDict(&d.out, window)
	_, _ = d.w.Write(p) // a bytes.Buffer takes everything
	_ = d.w.Flush()
	return bytes.TrimSuffix(d.out.Bytes(), []byte(flushTail))
}
