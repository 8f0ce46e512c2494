//go:build linux

package netpoll

import (
	"crypto/tls"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll/internal/sys"
)

// Read is called by tls, with Conn.mu held unless there is a stream.
func (s *tlsTransport) Read(p []byte) (int, error) {
	if len(s.hello) > 0 {
		return take(&s.hello, p), nil
	}
	if s.stream != nil {
		return s.stream.Read(p)
	}
	if s.empty {
		return 0, wouldBlock{}
	}
	n, errno := sys.Recv(s.conn.fd, p)
	switch {
	case errno == unix.EAGAIN:
		s.empty = true
		return 0, wouldBlock{}
	case errno != 0 || n == 0:
		return 0, sys.ReadError(errno)
	}
	// As in Conn.read, a read that leaves room has emptied the socket.
	s.empty = n < len(p) && !s.hup
	loop := s.conn.loop
	loop.bytesIn.Add(int64(n))
	s.conn.active.Store(loop.engine.clock.Coarse.Load())
	return n, nil
}

// Write is called by tls, with Conn.mu held unless there is a stream.
func (s *tlsTransport) Write(p []byte) (int, error) {
	if s.stream != nil {
		return s.stream.Write(p)
	}
	s.wire = append(s.wire, p...)
	return len(p), nil
}

// Close closes the stream. A connection in the engine is closed only by the engine.
func (s *tlsTransport) Close() error {
	if s.stream == nil {
		return nil
	}
	if s.place != nil {
		defer s.place.leave()
	}
	return s.stream.Close()
}

// LocalAddr returns the address of our end. tls calls it and RemoteAddr like Read, for example
// for the key of a session, so they take no lock.
func (s *tlsTransport) LocalAddr() net.Addr {
	if s.addrs != nil {
		return net.TCPAddrFromAddrPort(s.addrs.local)
	}
	return s.askAddr(unix.Getsockname)
}

// RemoteAddr returns the address of the peer.
func (s *tlsTransport) RemoteAddr() net.Addr {
	if s.addrs != nil {
		return net.TCPAddrFromAddrPort(s.addrs.remote)
	}
	return s.askAddr(unix.Getpeername)
}

// askAddr returns an empty TCP address if the kernel knows none any more. tls.Config's callbacks expect one.
func (s *tlsTransport) askAddr(ask func(int) (unix.Sockaddr, error)) net.Addr {
	var sa unix.Sockaddr
	var err error
	if s.stream == nil {
		sa, err = ask(int(s.conn.fd))
	} else if raw, failed := s.stream.SyscallConn(); failed == nil {
		_ = raw.Control(func(fd uintptr) { sa, err = ask(int(fd)) })
	}
	if _, isUnix := sa.(*unix.SockaddrUnix); isUnix {
		return &net.UnixAddr{Net: "unix"}
	}
	if a := sys.AddrOf(sa, err); a.IsValid() {
		return net.TCPAddrFromAddrPort(a)
	}
	return new(net.TCPAddr)
}

// SetDeadline and the next two set deadlines of a stream; in the engine nothing
// blocks.
func (s *tlsTransport) SetDeadline(t time.Time) error {
	if s.stream == nil {
		return nil
	}
	return s.stream.SetDeadline(t)
}

// SetReadDeadline: see SetDeadline.
func (s *tlsTransport) SetReadDeadline(t time.Time) error {
	if s.stream == nil {
		return nil
	}
	return s.stream.SetReadDeadline(t)
}

// SetWriteDeadline: see SetDeadline.
func (s *tlsTransport) SetWriteDeadline(t time.Time) error {
	if s.stream == nil {
		return nil
	}
	return s.stream.SetWriteDeadline(t)
}

// TLS returns the state of the connection's TLS; nil if the connection has no TLS
// or is closed.
func (c *Conn) TLS() *tls.ConnectionState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cold == nil || c.cold.tls == nil {
		return nil
	}
	state := c.cold.tls.tls.ConnectionState()
	return &state
}

// read implements transport, like writeLocked and endLocked. tls.Conn may hold
// records that it has read from the socket already, of which no event tells. So it is read
// until it has nothing more.
func (s *tlsTransport) read(p []byte, mode readMode) (n int, err error) {
	c := s.conn
	if mode&firstRead != 0 {
		s.empty, s.hup = false, mode&readToEnd != 0
	}
	for n < len(p) && err == nil {
		var m int
		c.mu.Lock() // for each record: a writer need not wait for all of them
		m, err = s.tls.Read(p[n:])
		if len(s.wire) > 0 {
			s.sendWireLocked()
		}
		c.mu.Unlock()
		n += m
	}
	return n, err
}

// sendWireLocked sends the records that tls wrote by itself. Gathered bytes are not encrypted
// yet, so they follow these records, and wait with them if the socket is full.
func (s *tlsTransport) sendWireLocked() {
	c, p := s.conn, s.wire
	s.wire = nil
	g := c.gathererLocked()
	failed := c.sendLocked(nil, p, nil, 0)
	if g == nil || c.gathererLocked() != nil {
		return
	}
	if p = g.takeGathered(); !failed {
		s.writeLocked(nil, p, nil, 0)
	}
}

// sealer has the buffers for encryption: one for plain bytes and one for records. All plain
// bytes are copied in, so that callers' buffers can stay on their stacks.
type sealer struct {
	plain [sealChunk]byte
	wire  []byte
}

const sealChunk = 32 << 10 // two records (RFC 8446, 5.1)

var sealers = sync.Pool{New: func() any { return &sealer{wire: make([]byte, 0, sealChunk+sealChunk/8)} }}

// writeLocked encrypts head and body, and sends or enqueues what comes out.
func (s *tlsTransport) writeLocked(head, body []byte, _ *Buffer, _ int) (failed bool) {
	b := sealers.Get().(*sealer)
	defer sealers.Put(b)
	for len(head)+len(body) > 0 && !failed {
		n := copy(b.plain[:], head)
		m := copy(b.plain[n:], body)
		head, body = head[n:], body[m:]
		failed = s.sealLocked(b, n+m)
	}
	return failed
}

func (s *tlsTransport) sealLocked(b *sealer, n int) (failed bool) {
	s.wire = b.wire[:0]
	_, err := s.tls.Write(b.plain[:n])
	wire := s.wire
	b.wire, s.wire = wire[:0], nil
	if err != nil { // after an alert that we sent
		s.conn.closeWithLocked(dying, err)
		return true
	}
	return s.conn.sendLocked(nil, wire, nil, 0)
}

// endLocked sends close_notify (RFC 8446, 6.1), after all earlier writes.
func (s *tlsTransport) endLocked() {
	if s.ended {
		return
	}
	s.ended = true
	_ = s.tls.CloseWrite() // fails only after an alert, which ends the stream as well
	if len(s.wire) > 0 {
		s.sendWireLocked()
	}
}
