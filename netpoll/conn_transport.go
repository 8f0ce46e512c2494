//go:build linux

package netpoll

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

func (wouldBlock) Error() string { return "netpoll: the socket is empty" }

func (wouldBlock) Timeout() bool { return true }

func (wouldBlock) Temporary() bool { return true }
