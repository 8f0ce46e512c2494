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

// deflater compresses one message at a time. It has about 1 MB.
type deflater struct {
	w     *flate.Writer
	pool  *sync.Pool
	out   []byte // a slab
	limit int    // bytes that out may have
	whole bool   // out has all of the message
}

// levelDeflaters has a pool for each level but 5, windowDeflaters one for each window. Those
// for windows have the effort of level 5: package flate has no other matcher that bounds how
// far back a reference goes.
var levelDeflaters, windowDeflaters [16]sync.Pool

// newDeflater returns a deflater for messages that reach back so many bytes, with the window
// before them, if references must not go back further than 2^bits bytes. A message that does
// not reach so far can be compressed by any of them.
func (k *Compression) newDeflater(bits, reach int) *deflater {
	if reach <= 1<<bits {
		bits = maxWindowBits
	}
	level := bits == maxWindowBits && k.Level != defaultLevel
	pool := &windowDeflaters[bits]
	if level {
		pool = &levelDeflaters[k.Level]
	}
	if d, ok := pool.Get().(*deflater); ok {
		return d
	}
	d := &deflater{pool: pool}
	if level {
		d.w, _ = flate.NewWriter(nil, k.Level) // Level and bits are valid
	} else {
		d.w, _ = flate.NewWriterWindow(nil, 1<<bits)
	}
	return d
}

// free gives the deflater back. A large result goes back to the slabs: if each large message
// allocated one, the garbage collector would run so often that it took the deflaters, too.
func (d *deflater) free() {
	d.out = keepSlab(d.out)
	d.pool.Put(d)
}

// smallMessage is the size from which a message may refer to the whole of the largest window.
const smallMessage = 4 << 10

// deflate compresses p, which may refer to window, for a peer with a window of so many bits.
// The caller must free what it returns.
func (k *Compression) deflate(p, window []byte, bits int) *deflater {
	return k.tuned(p, window, bits, math.MaxInt)
}

// smaller compresses p by itself. It returns nil if that does not make p smaller.
func (k *Compression) smaller(p []byte, bits int) *deflater {
	if incompressible(p) {
		return nil
	}
	d := k.tuned(p, nil, bits, len(p)-1+len(flushTail))
	if !d.whole {
		d.free()
		return nil
	}
	return d
}

// tuned compresses p with the window that is best for the endpoint's messages, and sometimes
// with another one too, to find out.
func (k *Compression) tuned(p, window []byte, bits, limit int) *deflater {
	if k.Level < defaultLevel {
		return k.run(p, window, bits, limit)
	}
	t := &k.tuners[bits]
	best, rival := t.windows(bits, len(window)+len(p))
	d := k.run(p, window, best, limit)
	if rival == 0 {
		return d
	}
	r := k.run(p, window, rival, limit)
	t.judge(bits, best, rival, d.size(), r.size())
	if r.size() < d.size() {
		d, r = r, d
	}
	r.free()
	return d
}

// run compresses p with references of at most 2^bits bytes. Package flate reads the window
// anew for each message, which is most of the work for a small one. So up to the default level
// a small message does not refer to the further half of the largest window: that would shorten
// text by 2 %.
func (k *Compression) run(p, window []byte, bits, limit int) *deflater {
	back := 1 << bits
	if k.Level <= defaultLevel && len(p) < smallMessage {
		back = min(back, 1<<(maxWindowBits-1))
	}
	window = window[max(0, len(window)-back):]
	d := k.newDeflater(bits, len(window)+len(p))
	d.out, d.limit, d.whole = d.out[:0], limit, false
	d.w.ResetDict(d, window)
	_, _ = d.w.Write(p) // the error of Write is that of Flush
	d.whole = d.w.Flush() == nil
	return d
}

// bytes returns the compressed message, which is valid until free.
func (d *deflater) bytes() []byte { return bytes.TrimSuffix(d.out, []byte(flushTail)) }

// size returns the length of the result, which is larger than any if there is none.
func (d *deflater) size() int {
	if !d.whole {
		return math.MaxInt
	}
	return len(d.out)
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

// The sample of incompressible: pieces of a message, at equal distances.
const (
	samplePieces = 8
	samplePiece  = 64
	sampleSize   = samplePieces * samplePiece
	sampleFrom   = 4 << 10 // bytes; of a smaller message flate finds out as fast
)

// incompressible reports whether the bytes of p are as evenly distributed as random ones, as
// they are in images, videos, archives and ciphertext. It does not see that such bytes are
// repeated. For n random bytes the sum of the squares is n + n(n-1)/256 on average, with a
// standard deviation of n/11; text has ten times as much.
func incompressible(p []byte) bool {
	if len(p) < sampleFrom {
		return false
	}
	var count [256]uint16
	for i := range samplePieces {
		at := i * (len(p) - samplePiece) / (samplePieces - 1)
		for _, b := range p[at : at+samplePiece] {
			count[b]++
		}
	}
	sum := 0
	for _, n := range count {
		sum += int(n) * int(n)
	}
	return sum < sampleSize+sampleSize*sampleSize/256+4*sampleSize/11
}
