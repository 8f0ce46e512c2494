//go:build linux

package netpoll

import (
	"golang.org/x/sys/unix"
)

// transport is how the bytes of a connection get to its socket and from there: as they
// are ([plain]), or in records ([tlsTransport]). A turn does not know which.
type transport interface {
	// read fills p, or says why it did not: wouldBlock if nothing more is there, for which
	// the next event is to be waited. Called in a turn, without Conn.mu.
	read(p []byte, mode readMode) (n int, err error)
	// writeLocked sends head and body, or enqueues what the socket does not take. It keeps
	// neither, but shared, which is body, if that is not nil. flags are those of send(2). If it
	// fails the connection has begun to end.
	writeLocked(head, body []byte, shared *Buffer, flags int) (failed bool)
	// endLocked tells the peer that all was written, if there is a way beside the end
	// of the stream.
	endLocked()
}

// readMode says where in a turn a read is.
type readMode uint8

const (
	firstRead readMode = 1 << iota // the socket may have something
	readToEnd                      // the peer has hung up, and the end is found only by reading
)

// wouldBlock is the error of a transport that has nothing to read now. tls.Conn takes it for
// passing: it keeps what it has of a record, and goes on with it at the next call.
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

// passLocked is writeLocked of c's transport, called by its name: what is called through an
// interface seems to the compiler to keep its arguments, and so a header that a caller
// has on its stack would be allocated for each write.
func (c *Conn) passLocked(head, body []byte, shared *Buffer, flags int) (failed bool) {
	switch t := c.transportLocked().(type) {
	case *tlsTransport:
		return t.writeLocked(head, body, shared, flags)
	case *plain:
		return t.writeLocked(head, body, shared, flags)
	}
	panic("netpoll: unknown transport")
}

// endStreamLocked tells the peer of the end, if nothing that is pending has to come before
// it.
func (c *Conn) endStreamLocked() {
	if c.unsentLocked() == 0 {
		c.transportLocked().endLocked()
	}
}

// plain is the transport of a connection without TLS: its socket.
type plain Conn

func (t *plain) read(p []byte, mode readMode) (n int, err error) {
	c := (*Conn)(t)
	n, errno := recv(c.fd, p)
	switch {
	case errno == unix.EAGAIN:
		return 0, wouldBlock{}
	case errno != 0 || n == 0:
		return 0, readError(errno)
	}
	c.loop.bytesIn.Add(int64(n))
	c.active.Store(c.loop.engine.clock.coarse.Load())
	// A read that leaves room has emptied the socket, and the next byte is a new event.
	if n < len(p) && mode&readToEnd == 0 {
		err = wouldBlock{}
	}
	return n, err
}

func (t *plain) writeLocked(head, body []byte, shared *Buffer, flags int) (failed bool) {
	return (*Conn)(t).sendLocked(head, body, shared, flags)
}

func (t *plain) endLocked() {}
