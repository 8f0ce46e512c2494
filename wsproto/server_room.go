package wsproto

import (
	"errors"
	"sync"
)

// When there is no place for another connection (netpoll.Options.MaxConns), a useless one
// must make room: one that waits for its next HTTP request, or has not even sent its first.
// The oldest goes first: a client that means to use its connection sends something at once.
// The engine itself chooses among connections whose TLS handshake is not done.

// errNoRoom is the error of a connection that was closed to make room.
var errNoRoom = errors.New("wsproto: closed to make room, because the client had sent nothing")

// silentConns are the connections whose first header has not come, and connections that were
// refused and still exist, the oldest first; and others that have not been removed yet. The
// list is kept only if the number of connections is bounded, and costs other servers nothing.
type silentConns struct {
	mu    sync.Mutex
	queue []*Conn
	first int // index of the oldest in queue
	sort  int // the length of queue at which sortOutLocked is called
	ends  int // of connections since the last call of it
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

// ended is called for each connection that has ended: otherwise the connections of a crowd that
// has left would be kept until another one comes.
func (q *silentConns) ended() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ends++; q.ends >= max((len(q.queue)-q.first)/2, 256) {
		q.sortOutLocked()
	}
}

// sortOutLocked keeps only connections that are silent. It is called when the queue has
// doubled, or half as many connections have ended, so its cost per connection is constant.
func (q *silentConns) sortOutLocked() {
	kept := q.queue[:0]
	for _, c := range q.queue[q.first:] {
		if c.isSilent() {
			kept = append(kept, c)
		}
	}
	clear(q.queue[len(kept):])
	q.queue, q.first, q.sort, q.ends = kept, 0, max(2*len(kept), 512), 0
}

// clear forgets all connections, when their number is not bounded any more.
func (q *silentConns) clear() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue, q.first, q.sort, q.ends = nil, 0, 0, 0
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
