package wsproto

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// fragment is the number of payload bytes that a Writer puts into one frame.
const fragment = 32 << 10

var fragments = sync.Pool{New: func() any { return new([fragment]byte) }}

// ErrWriterOpen says that a message is being written already: its Writer must be closed
// first.
var ErrWriterOpen = errors.New("wsproto: another Writer of the connection is open")

var errWriterClosed = fmt.Errorf("wsproto: the Writer is closed: %w", os.ErrClosed)

// Writer writes one message in fragments (RFC 6455, 5.4), so that it never needs to be in
// memory as a whole. It must be closed. Until then other messages of the connection wait
// behind it, as Send says; pings, pongs and Conn.Close do not wait. What was written cannot
// be taken back: a caller that cannot finish a message must close the connection.
//
// Unlike the methods of Conn its methods block while the peer does not take what it is sent,
// for Server.StreamTimeout at most. So they belong in OnStream or on a goroutine of the
// program. They also work in OnOpen and OnMessage, but then they occupy a worker, and the
// peer is not read meanwhile. One goroutine at a time may use a Writer.
type Writer struct {
	c   *Conn
	x   *netpoll.Exclusive
	op  Opcode // of the next frame
	buf *[fragment]byte
	n   int // bytes in buf
	err error

	pace pace
}

// NewWriter begins a message of type Text, which must be UTF-8, or Binary. The error is
// ErrWriterOpen, or wraps netpoll.ErrClosed.
func (c *Conn) NewWriter(op Opcode) (*Writer, error) {
	if op != Text && op != Binary {
		return nil, errors.New(noMessage(op))
	}
	if c.flags.Load()&(flagOpen|flagClosed) != flagOpen {
		return nil, fmt.Errorf("wsproto: %w", netpoll.ErrClosed)
	}
	x, err := c.io.Reserve()
	if err == netpoll.ErrReserved {
		return nil, ErrWriterOpen
	}
	if err != nil {
		return nil, fmt.Errorf("wsproto: %w", err)
	}
	return &Writer{c: c, x: x, op: op, pace: newPace(c.endpoint.timeout, c.endpoint.rate)}, nil
}

// Write adds p to the message. An error ends the Writer: it wraps netpoll.ErrClosed, or
// os.ErrDeadlineExceeded if the peer was too slow; then the connection is closed with 1008.
func (w *Writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 && w.err == nil {
		if w.n == fragment {
			w.flush(false)
		}
		m := 0
		if w.n == 0 && len(p) >= fragment && w.c.endpoint.state.ServerSide() {
			m = fragment
			w.frame(false, p[:m]) // without a copy
		} else {
			m = w.fill(p)
		}
		if w.err == nil {
			n += m
		}
		p = p[m:]
	}
	return n, w.err
}

// fill copies as much of p as fits.
func (w *Writer) fill(p []byte) int {
	if w.buf == nil {
		w.buf = fragments.Get().(*[fragment]byte)
	}
	m := copy(w.buf[w.n:], p)
	w.n += m
	return m
}

func (w *Writer) flush(fin bool) {
	var p []byte
	if w.buf != nil {
		p = w.buf[:w.n]
	}
	w.frame(fin, p)
	w.n = 0
}

// frame sends a frame; a client masks p in place.
func (w *Writer) frame(fin bool, p []byte) {
	if w.err != nil {
		return
	}
	var b [maxHeader]byte
	var key [4]byte
	head := appendHeader(b[:0], fin, w.op, len(p))
	if k := w.c.mask(&key); k != nil {
		head[1] |= 0x80
		head = append(head, k[:]...)
		ws.Cipher(p, *k, 0)
	}
	w.op = opContinuation
	var err error
	w.pace.wait(func(until time.Time) { err = w.x.Write(head, p, time.Until(until)) })
	if w.pace.credit(len(p)); err != nil {
		w.err = fmt.Errorf("wsproto: the message was cut short: %w", err)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			w.c.fail(PolicyViolation, "the message was read too slowly", w.err)
		}
	}
}

// Close ends the message: it sends the rest of it, then what waits behind it.
func (w *Writer) Close() error {
	if w.x == nil {
		return errWriterClosed
	}
	w.flush(true)
	w.x.Release()
	if w.buf != nil {
		fragments.Put(w.buf)
	}
	w.x, w.buf = nil, nil
	if w.err != nil {
		return w.err
	}
	w.c.io.CountOut(1)
	w.err = errWriterClosed
	return nil
}
