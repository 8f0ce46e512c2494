package wsproto

import (
	"errors"
	"net"
	"sync"
)

// When there is no place for another connection (netpoll.Options.MaxConns), a useless one
// must make room: one that waits for its next HTTP request, or has not even sent its first.
// The oldest goes first: a client that means to use its connection sends something at once.
// The engine itself chooses among connections whose TLS handshake is not done.

// errNoRoom is the error of a connection that was closed to make room.
var errNoRoom = errors.New("wsproto: closed to make room, because the client had sent nothing")

// makeRoom closes an idle connection, and reports whether there was one.
func (s *Server) makeRoom() bool {
	if c := s.httpServer.idle.oldest(); c != nil {
		c.cut()
		return true
	}
	return s.silent.close()
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

// silentConns are the connections whose first header has not come, and connections that were
// refused and still exist, the oldest first; and others that have not been removed yet. The
// list is kept only if the number of connections is bounded, and costs other servers nothing.
type silentConns struct {
	mu    sync.Mutex
	queue []*Conn
	first int // index of the oldest in queue
	sort  int // the length of queue at which sortOutLocked is called
}

// add is called for each new connection.
func (q *silentConns) add(c *Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.first < len(q.queue) && !q.queue[q.first].isSilent() {
		q.popLocked()
	}
	if len(q.queue) >= q.sort {
		q.sortOutLocked()
	}
	q.queue = append(q.queue, c)
}

func (q *silentConns) popLocked() *Conn {
	c := q.queue[q.first]
	q.queue[q.first] = nil
	if q.first++; q.first == len(q.queue) {
		q.queue, q.first = q.queue[:0], 0
	}
	return c
}

// sortOutLocked keeps only connections that are silent. It is called when the queue has
// doubled, so its cost per connection is constant.
func (q *silentConns) sortOutLocked() {
	kept := q.queue[:0]
	for _, c := range q.queue[q.first:] {
		if c.isSilent() {
			kept = append(kept, c)
		}
	}
	clear(q.queue[len(kept):])
	q.queue, q.first, q.sort = kept, 0, max(2*len(kept), 512)
}

// close closes the oldest silent connection, and reports whether there was one.
func (q *silentConns) close() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.first < len(q.queue) {
		if c := q.popLocked(); c.isSilent() {
			c.flags.Or(flagHeard)
			c.io.Close(errNoRoom)
			return true
		}
	}
	return false
}

// isSilent reports whether the connection is useless so far.
func (c *Conn) isSilent() bool { return c.flags.Load()&(flagOpen|flagHeard) == 0 }
