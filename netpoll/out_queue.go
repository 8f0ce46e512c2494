//go:build linux

package netpoll

import (
	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll/internal/sys"
)

// output is the destination of bytes that are written to a connection and not sent at once:
// the connection's own queue while something is pending, or the buffer of the worker
// while a turn gathers. A connection refers to one of them, or to none, because it has
// room for only one pointer. Only the functions of this file tell the two apart.
type output struct {
	outQueue        // a connection's own
	gathered []byte // a worker's: never nil
}

// takeGathered removes and returns the gathered bytes, which stay valid until more are
// gathered.
func (o *output) takeGathered() []byte {
	p := o.gathered
	o.gathered = p[:0]
	return p
}

// outQueue is the output that waits for a socket: references to buffers and, for the first
// of them, how much the socket took already. A connection has a queue only while
// something is pending. Guarded by Conn.mu.
type outQueue struct {
	segs  []segment
	head  int    // first of segs not wholly written
	off   int    // bytes of segs[head] that are written
	bytes int    // pending in all
	held  int    // memory that this queue answers for
	sent  uint64 // bytes that have left the queue
	drain drain
	own   *Buffer // the last of segs, if it was made by copyIn and may grow
}

// drain is how much a peer had acknowledged when it was last checked. It lives as long as the
// queue: without pending output there is nothing to measure.
type drain struct {
	since uint32 // on the coarse clock; 0 means never
	acked uint64 // bytes
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
	o.sent += uint64(n)
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

// free drops the whole queue.
func (o *outQueue) free() {
	for o.head < len(o.segs) {
		o.dropHead()
	}
	o.segs, o.head, o.bytes = nil, 0, 0
}

// appendTo moves as many bytes out of from as b has room for.
func appendTo(b *Buffer, from *[]byte) int {
	n := min(cap(b.b)-len(b.b), len(*from))
	b.b = append(b.b, (*from)[:n]...)
	*from = (*from)[n:]
	return n
}

// take moves as many bytes out of from as p has room for.
func take(from *[]byte, p []byte) int {
	n := copy(p, *from)
	if *from = (*from)[n:]; len(*from) == 0 {
		*from = nil
	}
	return n
}
