//go:build linux

package netpoll

import (
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// Close ends the connection at once and drops pending output. OnClose gets
// err, unless an earlier call gave an error.
func (c *Conn) Close(err error) {
	c.mu.Lock()
	changed := c.closeWithLocked(dying, err)
	if changed {
		c.flushGatherLocked() // out of a turn the socket would have it already
		c.endStreamLocked()
		_ = unix.Shutdown(int(c.fd), unix.SHUT_RDWR)
	}
	c.mu.Unlock()
	if changed {
		c.notify(evClose)
	}
}

// Finish ends the connection in order: it refuses further writes, sends pending output,
// shuts our side, and discards input until the peer
// has shut its own side, so that the peer can read our last bytes. After timeout the
// connection is closed in any case. OnClose gets err, unless an earlier call gave an
// error.
func (c *Conn) Finish(err error, timeout time.Duration) {
	c.mu.Lock()
	ph := flushing
	if c.phase == dialing {
		ph = dying // there is nothing to flush, and no peer to wait for
	}
	changed := c.closeWithLocked(ph, err)
	if changed {
		c.expireLocked(max(timeout, time.Millisecond))
	}
	c.mu.Unlock()
	if changed {
		c.notify(evClose)
	}
}

// finish takes the connection out of the engine and closes the descriptor.
// Called once, at the end of the last turn.
func (c *Conn) finish() {
	s, _ := c.leave((*Conn).mayEndLocked)
	s.close()
	e := c.loop.engine
	e.departures.refuse(c)
	if s.err == nil {
		s.err = io.EOF
	}
	e.tellClosed(c.handler, s.err)
}
