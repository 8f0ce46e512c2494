//go:build linux

package netpoll

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Buffer is a run of bytes that any number of connections may hold in their
// queues at the same time. It must not change after NewBuffer.
type Buffer struct {
	b     []byte
	piece bool // from pieces
}

// NewBuffer wraps p, which the caller must not change afterwards.
func NewBuffer(p []byte) *Buffer { return &Buffer{b: p} }

// Bytes returns the bytes, which must not be changed.
func (b *Buffer) Bytes() []byte { return b.b }

// Len returns the number of bytes.
func (b *Buffer) Len() int { return len(b.b) }

// outbound is what waits for a socket: references to buffers and, for the first
// of them, how much the socket took already. A connection has one only while
// something is pending. Guarded by Conn.mu.
//
// A worker has one too, with gather set: it stands in for the connection's own
// during a turn and copies small writes together. It holds no segments.
type outbound struct {
	segs   []*Buffer
	head   int     // first of segs not wholly written
	off    int     // bytes of segs[head] that are written
	bytes  int     // pending in all
	own    *Buffer // the last of segs, if it was made by copyIn and may grow
	gather []byte
}

func (o *outbound) gathers() bool { return o.gather != nil }

func (o *outbound) add(b *Buffer) {
	if o.head > 32 && o.head > len(o.segs)/2 {
		n := copy(o.segs, o.segs[o.head:])
		clear(o.segs[n:])
		o.segs, o.head = o.segs[:n], 0
	}
	o.segs = append(o.segs, b)
	o.bytes += b.Len()
	o.own = nil
}

// maxOwn is the size of a copy from which on the next write begins another.
const maxOwn = 16 << 10

// pieces are what large copies are made of. They are used again at once, while
// the processor's cache still has them.
var pieces = sync.Pool{New: func() any {
	return &Buffer{b: make([]byte, pieceSize), piece: true}
}}

const pieceSize = 64 << 10

// copyIn queues copies. Small writes share a buffer, so that a peer who has us
// answer and takes nothing costs memory for the bytes and not for the writes.
func (o *outbound) copyIn(head, body []byte) {
	for len(head)+len(body) >= pieceSize {
		b := pieces.Get().(*Buffer)
		n := copy(b.b, head)
		m := copy(b.b[n:], body)
		head, body = head[n:], body[m:]
		o.add(b)
	}
	n := len(head) + len(body)
	if n == 0 {
		return
	}
	if o.own == nil || o.own.Len()+n > maxOwn {
		b := NewBuffer(make([]byte, 0, n))
		o.add(b)
		o.own = b
	}
	o.own.b = append(append(o.own.b, head...), body...)
	o.bytes += n
}

// write sends until nothing is left or the socket is full, which is no error,
// and returns the bytes sent.
func (o *outbound) write(fd int32) (sent int, errno unix.Errno) {
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

func (o *outbound) advance(n int) {
	o.bytes -= n
	for n > 0 {
		left := o.segs[o.head].Len() - o.off
		if n < left {
			o.off += n
			return
		}
		n -= left
		switch b := o.segs[o.head]; {
		case b == o.own:
			o.own = nil
		case b.piece:
			pieces.Put(b)
		}
		o.segs[o.head] = nil
		o.head, o.off = o.head+1, 0
	}
}
