//go:build linux

package netpoll

import (
	"sync"
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/netpoll/internal/sys"
	"golang.org/x/sys/unix"
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

// NewBuffer wraps p, which the caller must not change afterwards.
func NewBuffer(p []byte) *Buffer { return &Buffer{b: p} }

// Bytes returns the bytes, which must not be changed.
func (b *Buffer) Bytes() []byte { return b.b }

// Len returns the number of bytes.
func (b *Buffer) Len() int { return len(b.b) }

// outQueue is the output that waits for a socket: references to buffers and, for the first
// of them, how much the socket took already. A connection has a queue only while
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
	ownCopy    segmentKind = iota // no other queue has it
	reference                     // another queue answers for it
	answerable                    // this queue answers for it
)

// What a segment costs besides its bytes: its element of the list, and a Buffer.
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

// copyIn appends copies. Writes share buffers, each twice as large as the one before, so
// that a peer that makes us answer and takes nothing costs memory for the bytes and not for
// the number of writes.
func (o *outQueue) copyIn(head, body []byte) {
	for len(head)+len(body) > 0 {
		if o.own == nil || len(o.own.b) == cap(o.own.b) {
			o.growOwn(len(head) + len(body))
		}
		n := appendTo(o.own, &head) + appendTo(o.own, &body)
		o.bytes += n
	}
}

// appendTo moves as many bytes out of from as b has room for.
func appendTo(b *Buffer, from *[]byte) int {
	n := min(cap(b.b)-len(b.b), len(*from))
	b.b = append(b.b, (*from)[:n]...)
	*from = (*from)[n:]
	return n
}

// growOwn begins another buffer for copies; n bytes follow.
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

// send sends until the queue is empty or the socket is full, which is not an error,
// and returns the number of bytes sent.
func (o *outQueue) send(fd int32) (sent int, errno unix.Errno) {
	var iov [sys.MaxIovecs]unix.Iovec
	for o.bytes > 0 {
		n := 0
		for i := o.head; i < len(o.segs) && n < sys.MaxIovecs; i++ {
			p := o.segs[i].b
			if i == o.head {
				p = p[o.off:]
			}
			iov[n] = sys.Iovec(p)
			n++
		}
		took, errno := sys.Sendv(fd, iov[:n])
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
	if s.pooled { // only this queue refers to it, whatever its kind
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

// free drops the whole queue.
func (o *outQueue) free() {
	for o.head < len(o.segs) {
		o.dropHead()
	}
	o.segs, o.head, o.bytes = nil, 0, 0
}
