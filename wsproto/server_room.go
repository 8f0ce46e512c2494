package wsproto

import (
	"errors"
	"net"
	"sync"
)

// Where there is no place for another connection (netpoll.Options.MaxConns), one that
// is of no use to anybody has to go: one that waits for its next HTTP request, or has
// not even sent its first yet. The oldest goes first: a client that has come to speak does
// so at once. Those whose TLS handshake is not done are the engine's, which has them make
// room by itself.

// errNoRoom is what a connection ends with that is closed for others.
var errNoRoom = errors.New("wsproto: the place of a connection that said nothing was needed")

// makeRoom closes a connection that idles, and reports whether there was one.
func (s *Server) makeRoom() bool {
	if c := s.httpServer.idle.oldest(); c != nil {
		c.cut()
		return true
	}
	return s.silent.close()
}

// cut closes the socket, without a word and without a wait: it is called on a listener's
// goroutine, and the Close of a tls.Conn gives the peer seconds to take an alert.
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
	ring httpConn // its next is the oldest; nil if there has been none yet
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

// remove does nothing if c is not there.
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

// oldest takes out the one that has been idle for longest, nil if there is none.
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

// silentConns are the connections whose first header has not come, and those whose handshake
// was refused and that have not gone yet, the oldest first, and others that have not been
// sorted out. It is kept only if there is a bound of
// connections, and costs the others nothing.
type silentConns struct {
	mu    sync.Mutex
	queue []*Conn
	first int // in queue
	sort  int // the length of queue at which it is sorted out
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

// sortOutLocked leaves only those that are silent. It is called when the queue has
// doubled, so it costs each connection a constant.
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

// close closes the oldest that is silent, and reports whether there is one.
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

// isSilent reports whether the connection takes a place for nothing.
func (c *Conn) isSilent() bool { return c.flags.Load()&(flagOpen|flagHeard) == 0 }
