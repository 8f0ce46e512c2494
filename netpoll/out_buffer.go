//go:build linux

package netpoll

import (
	"sync"
	"sync/atomic"
)

// Buffer is a run of bytes that any number of connections may hold in their
// queues at the same time. It must not change after NewBuffer.
type Buffer struct {
	b       []byte
	holders atomic.Int32 // twice the number of queues that hold it, and the bit orphaned
	pooled  bool         // from copies or pieces
}

// orphaned says that the queue that answered for a buffer's memory does not hold it any more,
// and others do.
const orphaned = 1

// orphans is the size of the buffers that are in some queue but that no connection answers for,
// because the one that did has sent its part. It is global, because several engines may share
// buffers.
var orphans atomic.Int64

// hold counts another queue that holds b. It reports whether that queue must answer for the
// memory. Only one does, so that a buffer that thousands of slow peers wait for counts once: the
// first that queues it, which this counter shows and which need not be the slowest.
func (b *Buffer) hold() (answers bool) {
	switch n := b.holders.Add(2); {
	case n == 2:
		return true
	case n&orphaned != 0 && b.holders.And(^orphaned)&orphaned != 0:
		orphans.Add(-int64(b.Len()))
		return true
	}
	return false
}

// release undoes hold, which returned answers.
func (b *Buffer) release(answers bool) {
	for {
		n := b.holders.Load()
		left := n - 2
		switch {
		case answers && left > 0:
			left |= orphaned
		case left == orphaned:
			left = 0
		}
		if !b.holders.CompareAndSwap(n, left) {
			continue
		}
		if is, was := left&orphaned, n&orphaned; is != was {
			orphans.Add(int64(is-was) * int64(b.Len()))
		}
		return
	}
}

// Bytes returns the bytes, which must not be changed.
func (b *Buffer) Bytes() []byte { return b.b }

// Len returns the number of bytes.
func (b *Buffer) Len() int { return len(b.b) }

func (b *Buffer) recycle() {
	if cap(b.b) == pieceSize {
		pieces.Put(b)
	} else {
		copies.Put(b)
	}
}

// NewBuffer wraps p, which the caller must not change afterwards.
func NewBuffer(p []byte) *Buffer { return &Buffer{b: p} }

// The pools of buffers for copies, and for pieces of large copies. Their buffers are reused
// soon, while the processor's cache still has them. When connections that hold much are shed,
// the others reuse their memory instead of allocating more.
var (
	copies = sync.Pool{New: func() any { return newPooled(copySize) }}
	pieces = sync.Pool{New: func() any { return newPooled(pieceSize) }}
)

const (
	copySize  = 16 << 10
	pieceSize = 64 << 10
	// leastMore is the smallest buffer for copies that is not the first.
	leastMore = 256
)

func newPooled(size int) *Buffer { return &Buffer{b: make([]byte, 0, size), pooled: true} }

func getPooled(p *sync.Pool) *Buffer {
	b := p.Get().(*Buffer)
	b.b = b.b[:0]
	return b
}
