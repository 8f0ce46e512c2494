//go:build linux

package netpoll

import (
	"github.com/fanfare-ws/fanfare/netpoll/internal/sys"
	"golang.org/x/sys/unix"
)

// transport carries bytes between a connection and its socket: as they
// are ([plain]), or in TLS records ([tlsTransport]). A turn does not know which.
type transport interface {
	// read fills p, or returns an error that says why it did not: wouldBlock if the socket is
	// empty, and the next event tells of more. It is called in a turn, without Conn.mu.
	read(p []byte, mode readMode) (n int, err error)
	// writeLocked sends head and body, and enqueues what the socket does not take. It copies
	// what it keeps of them, unless shared is not nil: then body is that Buffer's, and may be
	// kept by reference. flags are those of send(2). If it fails the connection has begun to end.
	writeLocked(head, body []byte, shared *Buffer, flags int) (failed bool)
	// endLocked tells the peer that nothing follows, if the transport has a message for that.
	endLocked()
}

// readMode says where in a turn a read is.
type readMode uint8

const (
	firstRead readMode = 1 << iota // the socket may have something
	readToEnd                      // the peer has hung up, and only reading on finds the end
)

// wouldBlock is the error of a transport that has nothing to read now. tls.Conn takes it for a
// temporary error: it keeps the part of a record that it has, and goes on at the next call.
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "netpoll: the socket is empty" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

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
