//go:build linux

package netpoll

import (
	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll/internal/sys"
)

// readsPerTurn is how often a connection may fill the worker's buffer before
// the other connections in the queue get their turns.
const readsPerTurn = 4

// read reads until the socket is empty and passes the bytes to the handler. It reports
// whether there may be more.
func (c *Conn) read(w *worker, events uint32) (again bool) {
	mode := firstRead
	if events&evHup != 0 {
		mode |= readToEnd
	}
	for i := range readsPerTurn {
		if i > 0 {
			c.prepare(w)
		}
		if !w.ready {
			return false
		}
		if w.unseen { // before more is read, for which there may be no room
			if !c.hand(w.in[:w.kept]) {
				return false
			}
			continue
		}
		buf, filler := w.in[w.kept:], Filler(nil)
		if i > 0 && w.kept == 0 {
			buf, filler = c.room(buf)
		}
		n, err := w.transport.read(buf, mode)
		mode &^= firstRead
		w.emptied = err == (wouldBlock{})
		if !c.deliver(w, n, filler) || w.emptied {
			return false
		}
		if err != nil && n == 0 { // else the next read returns it again, and the handler has seen all
			c.abort(err)
			return false
		}
	}
	return true
}

// deliver gives the handler the n bytes that were read. It reports false if that has ended
// the connection.
func (c *Conn) deliver(w *worker, n int, filler Filler) bool {
	switch {
	case n == 0:
		return w.kept == 0 || c.keepRest(w.in[:w.kept])
	case filler != nil:
		filler.Filled(n)
		return true
	}
	return c.hand(w.in[:w.kept+n])
}

// room returns the memory to read into, once a read has filled the worker's buffer: that of
// the handler, if it is a [Filler] and wants the next bytes, else buf.
func (c *Conn) room(buf []byte) ([]byte, Filler) {
	if f, ok := c.handler.(Filler); ok {
		if p := f.Fill(); len(p) > 0 {
			c.readLarge()
			return p, f
		}
	}
	return buf, nil
}

// readLarge moves c from easygo to its loop's largeReaders, unless it is there already.
func (c *Conn) readLarge() {
	l := c.loop
	if !l.largeReaders.has(c) && l.largeReaders.add(c, largeEvents{(*Conn).notify, l.engine.fail}) {
		_ = l.poll.Del(int(c.fd)) // in between, events may come from both
	}
}

// hand gives data to the handler and keeps what it leaves over. It reports false if
// that has ended the connection.
func (c *Conn) hand(data []byte) bool {
	used := c.handler.OnData(data)
	return used == len(data) || c.keepRest(data[used:])
}

// keepRest keeps what the handler left over. It reports false if the connection
// has ended.
func (c *Conn) keepRest(p []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase == live && c.keepTailLocked(p)
}

// prepare prepares w for the next read: see prepareLocked.
func (c *Conn) prepare(w *worker) {
	c.mu.Lock()
	w.ready = c.prepareLocked(w)
	c.mu.Unlock()
}

// prepareLocked copies the tail that the handler left over to the front of the
// worker's buffer. It reports whether reading may go on: not if the connection
// has begun to end, the peer does not take what it is sent, or
// the handler holds it. The turn that empties the queue, or Resume, then reads on.
func (c *Conn) prepareLocked(w *worker) bool {
	w.kept, w.unseen = 0, false
	if c.phase != live {
		return false
	}
	if q := c.queueLocked(); q != nil && q.bytes > c.loop.engine.opts.MaxPending/2 {
		c.held |= heldByPeer
	} else {
		c.held &^= heldByPeer
	}
	if c.held&heldBy != 0 {
		return false
	}
	w.transport = c.transportLocked()
	if c.cold != nil {
		w.kept = copy(w.in, c.cold.tail)
		n := cap(c.cold.tail)
		c.cold.tail = nil
		c.weighLocked(-n)
		c.tidyLocked()
	}
	w.unseen = c.held&callDue != 0 || c.held&tailDue != 0 && w.kept > 0
	c.held = 0
	return true
}

// keepTailLocked keeps p. If the handler has called Hold, p may be all that was read.
func (c *Conn) keepTailLocked(p []byte) bool {
	if len(p) > c.loop.engine.opts.ReadBuffer/2 && c.held == 0 {
		c.closeWithLocked(dying, ErrTail)
		return false
	}
	r := c.coldLocked()
	before := cap(r.tail)
	r.tail = append([]byte(nil), p...)
	c.weighLocked(cap(r.tail) - before)
	return c.phase < dying
}

// Again schedules a turn that calls OnData with what it left over, perhaps nothing, even if
// nothing more is read. While the connection is held, that turn comes after Resume. A handler
// whose OnData waits for an answer from another goroutine calls it when the answer has come.
func (c *Conn) Again() {
	c.mu.Lock()
	c.held |= callDue
	c.mu.Unlock()
	c.notify(evRead)
}

// discard discards input while the connection ends, and ends it when the
// peer has ended it or the time is over. A peer that has shut its side may still read what
// is being flushed.
func (c *Conn) discard(w *worker, ph phase, events uint32) {
	if events&evTimer != 0 && c.expired() {
		c.abort(nil)
		return
	}
	if events&(evRead|evClose) == 0 {
		return
	}
	for range readsPerTurn {
		n, errno := sys.Recv(c.fd, w.in)
		if errno == unix.EAGAIN || n == 0 && errno == 0 && ph == flushing {
			return
		}
		if errno != 0 || n == 0 {
			c.abort(sys.ReadError(errno))
			return
		}
		c.loop.bytesIn.Add(int64(n))
	}
	c.state.Or(evRead)
}

// Hold pauses reading until Resume, because the handler has no room for more. Only the
// Handler may call it, from OnData, which may then leave over all that it got and
// sees it again before more is read. Meanwhile TCP slows the peer down, and only a write
// can notice that the peer has gone.
func (c *Conn) Hold() {
	c.mu.Lock()
	c.held |= heldByHandler | tailDue
	c.mu.Unlock()
}

// Resume ends a Hold, if there is one, and reading goes on.
func (c *Conn) Resume() {
	c.mu.Lock()
	was := c.held
	c.held &^= heldByHandler
	c.mu.Unlock()
	if was&heldByHandler != 0 {
		c.notify(evRead)
	}
}

// Held reports whether reading pauses because of Hold.
func (c *Conn) Held() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held&heldByHandler != 0
}

// Paused reports whether reading pauses, for any reason.
func (c *Conn) Paused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held&heldBy != 0
}
