//go:build linux

package netpoll

import (
	"io"

	"golang.org/x/sys/unix"
)

// readsPerTurn is how often a connection may fill the worker's buffer before
// the others in the queue have their turn.
const readsPerTurn = 4

// read reads to the end and hands the bytes to the handler. A read that does not
// fill the buffer has emptied the socket, and the next byte is a new event; only
// when the peer hung up is there something left to find, so then it reads on.
func (c *Conn) read(w *worker, events uint32) (again bool) {
	for i := range readsPerTurn {
		if i > 0 {
			c.prepare(w)
			if n, room := c.fill(w); n > 0 {
				if n < room && events&evHup == 0 {
					return false
				}
				continue
			}
		}
		if !w.ready {
			return false
		}
		buf, kept := w.in, w.kept
		if w.unseen { // before more is read: there may be no room for it
			if used := c.handler.OnData(buf[:kept]); used != kept && !c.keepRest(buf[used:kept]) {
				return false
			}
			continue
		}
		n, errno := recv(c.fd, buf[kept:])
		if errno != 0 || n == 0 {
			if kept > 0 && !c.keepRest(buf[:kept]) {
				return false
			}
			if errno != unix.EAGAIN {
				c.abort(readError(errno))
			}
			return false
		}
		c.loop.bytesIn.Add(int64(n))
		c.active.Store(c.loop.engine.clock.coarse.Load())
		data := buf[:kept+n]
		if used := c.handler.OnData(data); used != len(data) && !c.keepRest(data[used:]) {
			return false
		}
		if n < len(buf)-kept && events&evHup == 0 {
			return false
		}
	}
	return true
}

// fill reads to where the handler wants the next bytes, if it is a [Filler]. It is
// tried after a read that filled the worker's buffer. An end or an error is left for
// an ordinary read to find.
func (c *Conn) fill(w *worker) (n, room int) {
	if !w.ready || w.kept > 0 || w.unseen {
		return 0, 0
	}
	f, ok := c.handler.(Filler)
	if !ok {
		return 0, 0
	}
	p := f.Fill()
	if len(p) == 0 {
		return 0, 0
	}
	n, errno := recv(c.fd, p)
	if errno != 0 || n == 0 {
		return 0, 0
	}
	c.loop.bytesIn.Add(int64(n))
	c.active.Store(c.loop.engine.clock.coarse.Load())
	f.Filled(n)
	return n, len(p)
}

// keepRest keeps what the handler left over. It reports false if the connection
// has ended.
func (c *Conn) keepRest(p []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase == live && c.keepTailLocked(p)
}

// prepare readies w for the next read: see prepareLocked.
func (c *Conn) prepare(w *worker) {
	c.mu.Lock()
	w.ready = c.prepareLocked(w)
	c.mu.Unlock()
}

// prepareLocked copies the tail that the handler left over to the front of the
// worker's buffer. It reports whether reading may go on: not when the connection
// has begun to end, not while the peer does not take what it is sent, and not while
// the handler holds it. The turn that frees the queue, or Resume, then reads on.
func (c *Conn) prepareLocked(w *worker) bool {
	w.kept, w.unseen, w.secure = 0, false, nil
	if c.phase != live {
		return false
	}
	if c.out != nil && !c.out.gathers() && c.out.bytes > c.loop.engine.opts.MaxPending/2 {
		c.held |= heldByPeer
	} else {
		c.held &^= heldByPeer
	}
	if c.held&heldBy != 0 {
		return false
	}
	if c.rare != nil {
		w.kept = copy(w.in, c.rare.tail)
		w.secure = c.rare.tls
		c.rare.tail = nil
		c.tidyLocked()
	}
	w.unseen = c.held&callDue != 0 || c.held&tailDue != 0 && w.kept > 0
	c.held = 0
	return true
}

// keepTailLocked keeps p. Of a connection that was held meanwhile it may be all
// that was read.
func (c *Conn) keepTailLocked(p []byte) bool {
	if len(p) > c.loop.engine.opts.ReadBuffer/2 && c.held == 0 {
		c.closeWithLocked(dying, ErrTail)
		return false
	}
	c.rareLocked().tail = append([]byte(nil), p...)
	return true
}

// again has OnData called once more with what it left over, if nothing comes.
func (c *Conn) again() {
	c.mu.Lock()
	c.held |= callDue
	c.mu.Unlock()
	c.notify(evRead)
}

// discard throws input away while the connection ends, and ends it when the
// peer did or the time is over. A peer that shut its side may still read what is
// being flushed.
func (c *Conn) discard(w *worker, ph phase, events uint32) {
	if events&evTimer != 0 && c.expired() {
		c.abort(nil)
		return
	}
	if events&(evRead|evClose) == 0 {
		return
	}
	for range readsPerTurn {
		n, errno := recv(c.fd, w.in)
		if errno == unix.EAGAIN || n == 0 && errno == 0 && ph == flushing {
			return
		}
		if errno != 0 || n == 0 {
			c.abort(readError(errno))
			return
		}
		c.loop.bytesIn.Add(int64(n))
	}
	c.state.Or(evRead)
}

func readError(errno unix.Errno) error {
	if errno == 0 {
		return io.EOF
	}
	return errno
}
