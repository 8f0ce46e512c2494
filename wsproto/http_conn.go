package wsproto

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// httpConn is a connection as net/http has it. It gives up a peer that does not take
// what it is sent: the time that writes may wait is bounded by a pace.
type httpConn struct {
	net.Conn
	server   *Server
	requests int // so far; of the goroutine that serves them
	pace     pace
	limit    limit // of writes
	hijacked atomic.Bool

	next, prev *httpConn // in idleHTTPConns
}

// httpTLSConn is one with TLS, which net/http wants to know.
type httpTLSConn struct {
	*httpConn
	secure
}

type secure interface{ ConnectionState() tls.ConnectionState }

// servedConn is a httpConn or a httpTLSConn.
type servedConn interface {
	net.Conn
	served() *httpConn
}

func (c *httpConn) served() *httpConn { return c }

func newHTTPConn(s *Server, nc net.Conn) servedConn {
	c := &httpConn{Conn: nc, server: s, pace: newPace(s.HTTPTimeout, s.MinRate)}
	if t, ok := nc.(secure); ok {
		return httpTLSConn{c, t}
	}
	return c
}

// mayStay reports whether the connection may be kept for another request. Not if it
// would take a place that others need. And not after a chunked body that comes later than
// first: that its header had no Content-Length as well, by which somebody in between
// may find another end of it, has been checked of the first request only, since
// net/http does not tell (RFC 9112, 6.1).
func (c *httpConn) mayStay(r *http.Request) bool {
	c.requests++
	return !c.server.engine.Full() && (c.requests == 1 || len(r.TransferEncoding) == 0)
}

func (c *httpConn) Write(p []byte) (n int, err error) {
	for {
		piece, m := p[:min(len(p), c.pace.piece())], 0
		c.write(func() int {
			m, err = c.Conn.Write(piece)
			return m
		})
		n += m
		if p = p[m:]; err != nil || len(p) == 0 {
			return n, err
		}
	}
}

// ReadFrom lets the kernel copy a file, where it can.
func (c *httpConn) ReadFrom(r io.Reader) (n int64, err error) {
	rf, ok := c.Conn.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	piece := &io.LimitedReader{R: r}
	all := &io.LimitedReader{R: r, N: 1<<63 - 1}
	if l, ok := r.(*io.LimitedReader); ok { // the kernel looks behind one of them only
		all, piece.R = l, l.R
	}
	for all.N > 0 && err == nil {
		piece.N = min(all.N, int64(c.pace.piece()))
		var m int64
		c.write(func() int {
			m, err = rf.ReadFrom(piece)
			return int(m)
		})
		if n, all.N = n+m, all.N-m; m == 0 {
			break
		}
	}
	return n, err
}

// write has f write a piece within the time that is left.
func (c *httpConn) write(f func() (n int)) {
	if c.hijacked.Load() {
		f()
		return
	}
	n := 0
	c.pace.wait(func(until time.Time) {
		c.limit.apply(until, c.Conn.SetWriteDeadline)
		n = f()
	})
	c.pace.credit(n)
}

// SetWriteDeadline bounds the writes that follow, beside the pace, and the one under way.
func (c *httpConn) SetWriteDeadline(t time.Time) error {
	c.limit.set(t)
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *httpConn) SetDeadline(t time.Time) error {
	c.limit.set(t)
	return c.Conn.SetDeadline(t)
}

// CloseWrite lets net/http end a connection so that the peer reads the answer.
func (c *httpConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// limit is a deadline that a handler may have set, or set meanwhile from elsewhere, for what
// has a deadline of its own as well.
type limit struct{ at atomic.Int64 } // in Unix nanoseconds; 0 for none

func (l *limit) set(t time.Time) {
	if t.IsZero() {
		l.at.Store(0)
		return
	}
	l.at.Store(t.UnixNano())
}

// apply sets the earlier of the limit and until. If the limit changes meanwhile it is set
// again: else the one that it was would overtake the one that it is.
func (l *limit) apply(until time.Time, set func(time.Time) error) {
	for {
		at, t := l.at.Load(), until
		if at != 0 && at < until.UnixNano() {
			t = time.Unix(0, at)
		}
		_ = set(t)
		if l.at.Load() == at {
			return
		}
	}
}
