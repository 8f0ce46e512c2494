//go:build linux

package netpoll

import (
	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll/internal/sys"
)

// plain is the transport of a connection without TLS: its socket.
type plain Conn

func (t *plain) read(p []byte, mode readMode) (n int, err error) {
	c := (*Conn)(t)
	n, errno := sys.Recv(c.fd, p)
	switch {
	case errno == unix.EAGAIN:
		return 0, wouldBlock{}
	case errno != 0 || n == 0:
		return 0, sys.ReadError(errno)
	}
	c.loop.bytesIn.Add(int64(n))
	c.active.Store(c.loop.engine.clock.Coarse.Load())
	// A read that leaves room in p has emptied the socket, and the next byte raises an event.
	if n < len(p) && mode&readToEnd == 0 {
		err = wouldBlock{}
	}
	return n, err
}

func (t *plain) writeLocked(head, body []byte, shared *Buffer, flags int) (failed bool) {
	return (*Conn)(t).sendLocked(head, body, shared, flags)
}

func (t *plain) endLocked() {}

func (c *Conn) transportLocked() transport {
	if c.isPlainLocked() {
		return (*plain)(c)
	}
	return c.cold.tls
}

func (c *Conn) isPlainLocked() bool { return c.cold == nil || c.cold.tls == nil }

// passLocked calls writeLocked of c's transport by its type. The compiler assumes that a
// method called through an interface keeps its arguments, so a header on a caller's stack
// would be allocated for each write.
func (c *Conn) passLocked(head, body []byte, shared *Buffer, flags int) (failed bool) {
	switch t := c.transportLocked().(type) {
	case *tlsTransport:
		return t.writeLocked(head, body, shared, flags)
	case *plain:
		return t.writeLocked(head, body, shared, flags)
	}
	panic("netpoll: unknown transport")
}

// endStreamLocked tells the peer that nothing follows, unless something is still pending.
func (c *Conn) endStreamLocked() {
	if c.unsentLocked() == 0 {
		c.transportLocked().endLocked()
	}
}
