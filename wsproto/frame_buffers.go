package wsproto

import (
	"math/bits"
	"sync"
	"unsafe"
)

// Slabs are large buffers, in sizes of powers of two, for messages that come in pieces.
// Making one costs more than filling it, so they are reused; the garbage collector takes
// those that have not been needed for a while.

const (
	minSlab = 4 << 10  // smaller buffers are not counted: see parser.held
	maxSlab = 64 << 20 // larger ones are not kept
)

var slabs [15]sync.Pool // of *byte, the first of minSlab<<i bytes

// slabClass returns the index of the smallest slab that holds n bytes.
func slabClass(n int) int {
	return max(0, bits.Len(uint(n-1))-bits.Len(uint(minSlab-1)))
}

// newSlab returns an empty slice with room for at least n bytes. If idle is set it returns
// one from the pool or nil.
func newSlab(n int, idle bool) []byte {
	if n > maxSlab {
		if idle {
			return nil
		}
		return make([]byte, 0, n)
	}
	i := slabClass(n)
	if p, ok := slabs[i].Get().(*byte); ok {
		return unsafe.Slice(p, minSlab<<i)[:0]
	}
	if idle {
		return nil
	}
	return make([]byte, 0, minSlab<<i)
}

// appendSlab appends p to b, which is a slab or nil, and the caller's alone. If there is no room it returns a larger slab.
func appendSlab(b, p []byte) []byte {
	if need := len(b) + len(p); need > cap(b) {
		b = growSlab(b, need)
	}
	return append(b, p...)
}

// growSlab returns a slab with what b has and room for at least n bytes, and twice as many as b has room for.
func growSlab(b []byte, n int) []byte {
	larger := append(newSlab(max(2*cap(b), n), false), b...)
	freeSlab(b)
	return larger
}

// keepSlab returns a slab that is not needed at the moment, or nil if it is large, and better shared.
func keepSlab(b []byte) []byte {
	if cap(b) <= keepScratch {
		return b
	}
	freeSlab(b)
	return nil
}

// freeSlab takes b back, which must not be used any more. A buffer that is not a slab is left
// to the garbage collector.
func freeSlab(b []byte) {
	if c := cap(b); c >= minSlab && c <= maxSlab && c&(c-1) == 0 {
		slabs[slabClass(c)].Put(unsafe.SliceData(b))
	}
}
