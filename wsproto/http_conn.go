package wsproto

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// httpConn is a connection as net/http sees it. It gives up a peer that does not take what it
// is sent: a pace bounds the time that writes may wait.
type httpConn struct {
	net.Conn
	server   *Server
	told     bool // a preamble has told the address
	requests int  // so far; owned by the goroutine that serves them
	pace     pace
	limit    ownDeadline // of writes
	hijacked atomic.Bool

	next, prev *httpConn // in idleHTTPConns
}

func (c *httpConn) served() *httpConn { return c }

// mayStay reports whether the connection may be kept for another request. It may not if it
// would take a place that others need. It may not either after a chunked body that is not
// that of the first request: that its header had a Content-Length as well, by which a proxy
// in between may see another end of the body, has been checked for the first request only,
// since net/http does not tell (RFC 9112, 6.1).
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

// ReadFrom lets the kernel copy a file, if it can.
func (c *httpConn) ReadFrom(r io.Reader) (n int64, err error) {
	rf, ok := c.Conn.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	piece := &io.LimitedReader{R: r}
	all := &io.LimitedReader{R: r, N: 1<<63 - 1}
	if l, ok := r.(*io.LimitedReader); ok { // net/http unwraps one LimitedReader only
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

// write calls f, which writes a piece, within the time that is left.
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

// SetWriteDeadline bounds the write under way and later ones, in addition to the pace.
func (c *httpConn) SetWriteDeadline(t time.Time) error {
	c.limit.set(t)
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *httpConn) SetDeadline(t time.Time) error {
	c.limit.set(t)
	return c.Conn.SetDeadline(t)
}

// CloseWrite lets net/http end a connection in a way that the peer can still read the
// response.
func (c *httpConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// cut closes the socket at once: it is called on a listener's goroutine, and the Close of a
// tls.Conn gives the peer seconds to read an alert.
func (c *httpConn) cut() {
	if t, ok := c.Conn.(interface{ NetConn() net.Conn }); ok {
		t.NetConn().Close()
		return
	}
	c.Close()
}

// httpTLSConn is an httpConn with TLS; net/http looks for its ConnectionState.
type httpTLSConn struct {
	*httpConn
	tlsStater
}

type tlsStater interface{ ConnectionState() tls.ConnectionState }

// servedConn is a httpConn or a httpTLSConn.
type servedConn interface {
	net.Conn
	served() *httpConn
}

func newHTTPConn(s *Server, nc net.Conn, told bool) servedConn {
	c := &httpConn{Conn: nc, server: s, told: told, pace: newPace(s.HTTPTimeout, s.MinRate)}
	if t, ok := nc.(tlsStater); ok {
		return httpTLSConn{c, t}
	}
	return c
}

// idleHTTPConns are the connections that wait for a request, the oldest first.
type idleHTTPConns struct {
	mu   sync.Mutex
	ring httpConn // its next is the oldest; nil until the first add
}

func (l *idleHTTPConns) add(c *httpConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ring.next == nil {
		l.ring.next, l.ring.prev = &l.ring, &l.ring
	}
	c.prev, c.next = l.ring.prev, &l.ring
	c.prev.next, c.next.prev = c, c
}

// remove does nothing if c is not in the list.
func (l *idleHTTPConns) remove(c *httpConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.removeLocked(c)
}

func (l *idleHTTPConns) removeLocked(c *httpConn) {
	if c.next != nil {
		c.prev.next, c.next.prev = c.next, c.prev
		c.next, c.prev = nil, nil
	}
}

// oldest removes and returns the connection that has been idle for longest, or nil.
func (l *idleHTTPConns) oldest() *httpConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.ring.next
	if c == nil || c == &l.ring {
		return nil
	}
	l.removeLocked(c)
	return c
}

// ownDeadline is a deadline set by a handler, at any time and from any goroutine, for an operation
// that has a deadline of its own as well.
type ownDeadline struct{ at atomic.Int64 } // in Unix nanoseconds; 0 for none

func (l *ownDeadline) set(t time.Time) {
	if t.IsZero() {
		l.at.Store(0)
		return
	}
	l.at.Store(t.UnixNano())
}

// apply sets the earlier of the limit and until. If the limit changes meanwhile apply sets it
// again; otherwise the old limit could be set after the new one.
func (l *ownDeadline) apply(until time.Time, set func(time.Time) error) {
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
