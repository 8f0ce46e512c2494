//go:build linux

package netpoll

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Buffer is a run of bytes that any number of connections may hold in their
// queues at the same time. It must not change after NewBuffer.
type Buffer struct {
	b       []byte
	holders atomic.Int32 // two for each queue that has it, and the bit orphaned
	pooled  bool         // from copies or pieces
}

// orphaned says that the queue which answered for a buffer's memory has it no longer,
// and others have.
const orphaned = 1

// hold notes one queue more that has b. It reports whether that has to answer for the
// memory: only one does, so that what thousands of slow peers wait for counts once. It is
// the first that queues it, which this counter tells; it need not be the slowest.
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

// release undoes hold, with what that returned.
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

// NewBuffer wraps p, which the caller must not change afterwards.
func NewBuffer(p []byte) *Buffer { return &Buffer{b: p} }

// Bytes returns the bytes, which must not be changed.
func (b *Buffer) Bytes() []byte { return b.b }

// Len returns the number of bytes.
func (b *Buffer) Len() int { return len(b.b) }

// outQueue is what waits for a socket: references to buffers and, for the first
// of them, how much the socket took already. A connection has one only while
// something is pending. Guarded by Conn.mu.
type outQueue struct {
	segs  []segment
	head  int // first of segs not wholly written
	off   int // bytes of segs[head] that are written
	bytes int // pending in all
	held  int // memory that this queue answers for
	drain drain
	own   *Buffer // the last of segs, if it was made by copyIn and may grow
}

// segment is a buffer in a queue.
type segment struct {
	*Buffer
	kind segmentKind
}

type segmentKind uint8

const (
	ownCopy    segmentKind = iota // nobody else has it
	reference                     // another queue answers for it
	answerable                    // this one does
)

// What a segment costs beside its bytes: its place in the list, and a Buffer.
const (
	segmentSize = 16
	bufferSize  = 32
)

// held returns the memory that the queue answers for.
func (s segment) held() int {
	switch s.kind {
	case ownCopy:
		return segmentSize + bufferSize + cap(s.b)
	case answerable:
		return segmentSize + s.Len()
	}
	return segmentSize
}

// add queues b by reference.
func (o *outQueue) add(b *Buffer) {
	kind := reference
	if b.hold() {
		kind = answerable
	}
	o.append(segment{b, kind})
}

func (o *outQueue) append(s segment) {
	if o.head > 32 && o.head > len(o.segs)/2 {
		n := copy(o.segs, o.segs[o.head:])
		clear(o.segs[n:])
		o.segs, o.head = o.segs[:n], 0
	}
	o.segs = append(o.segs, s)
	o.bytes += s.Len()
	o.held += s.held()
	o.own = nil
}

// The pools of buffers for copies, and for pieces of large ones. They are used again at once,
// while the processor's cache still has them; when connections that hold much are shed,
// those that go on hold their memory, and not new one.
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

// copyIn queues copies. Writes share buffers, each twice as large as the one before, so
// that a peer who has us answer and takes nothing costs memory for the bytes and not for
// the writes.
func (o *outQueue) copyIn(head, body []byte) {
	for len(head)+len(body) > 0 {
		if o.own == nil || len(o.own.b) == cap(o.own.b) {
			o.growOwn(len(head) + len(body))
		}
		n := appendTo(o.own, &head) + appendTo(o.own, &body)
		o.bytes += n
	}
}

// appendTo moves what b has room for out of from.
func appendTo(b *Buffer, from *[]byte) int {
	n := min(cap(b.b)-len(b.b), len(*from))
	b.b = append(b.b, (*from)[:n]...)
	*from = (*from)[n:]
	return n
}

// growOwn begins another buffer for copies, of which n bytes are to come.
func (o *outQueue) growOwn(n int) {
	size := n
	if o.own != nil {
		size = max(n, leastMore, 2*cap(o.own.b))
	}
	var b *Buffer
	switch {
	case n >= pieceSize:
		b = getPooled(&pieces)
	case size > copySize/2:
		b = getPooled(&copies)
	default:
		b = NewBuffer(make([]byte, 0, size))
	}
	o.append(segment{b, ownCopy})
	o.own = b
}

// send sends until nothing is left or the socket is full, which is no error,
// and returns the bytes sent.
func (o *outQueue) send(fd int32) (sent int, errno unix.Errno) {
	var iov [maxIovecs]unix.Iovec
	for o.bytes > 0 {
		n := 0
		for i := o.head; i < len(o.segs) && n < maxIovecs; i++ {
			p := o.segs[i].b
			if i == o.head {
				p = p[o.off:]
			}
			iov[n] = iovec(p)
			n++
		}
		took, errno := sendv(fd, iov[:n])
		if errno == unix.EAGAIN {
			return sent, 0
		}
		if errno != 0 {
			return sent, errno
		}
		sent += took
		o.advance(took)
	}
	return sent, 0
}

func (o *outQueue) advance(n int) {
	o.bytes -= n
	for n > 0 {
		left := o.segs[o.head].Len() - o.off
		if n < left {
			o.off += n
			return
		}
		n -= left
		o.dropHead()
	}
}

// dropHead drops the first segment.
func (o *outQueue) dropHead() {
	s := &o.segs[o.head]
	o.held -= s.held()
	if s.kind != ownCopy {
		s.release(s.kind == answerable)
	}
	if s.Buffer == o.own {
		o.own = nil
	}
	if s.pooled { // of which there is one reference, whatever its kind
		s.recycle()
	}
	*s = segment{}
	o.head, o.off = o.head+1, 0
}

func (b *Buffer) recycle() {
	if cap(b.b) == pieceSize {
		pieces.Put(b)
	} else {
		copies.Put(b)
	}
}

// free drops all that is left.
func (o *outQueue) free() {
	for o.head < len(o.segs) {
		o.dropHead()
	}
	o.segs, o.head, o.bytes = nil, 0, 0
}
