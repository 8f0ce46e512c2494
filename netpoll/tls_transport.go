//go:build linux

package netpoll

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// secure is the TLS of a connection, and the transport that its tls.Conn reads
// and writes: a blocking stream during the handshake and after Detach; in between
// the socket of conn, where a read that finds nothing says so and is repeated at
// the next event, and a write only collects in wire, so it cannot fail half-way.
//
// In between all of it, tls included, is guarded by Conn.mu: a read may answer
// (a key update, an alert), so under two locks reader and writers would wait for
// each other.
type secure struct {
	tls    *tls.Conn
	conn   *Conn  // nil while stream is in use
	stream stream // nil while conn is
	early  []byte // read before the handshake began
	wire   []byte // encrypted, to be sent
	hup    bool   // the turn reads on to the end
	empty  bool   // the socket is, as far as the turn knows
	parted bool   // close_notify was sent
	place  *place // while detached
}

// stream is a socket as the runtime polls it: an os.File or a net.TCPConn.
type stream interface {
	io.ReadWriteCloser
	syscall.Conn
	SetDeadline(time.Time) error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// wouldBlock is an error that tls.Conn takes for passing: it keeps what it has
// of a record, and goes on with it at the next call.
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "netpoll: the socket is empty" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

// Read is called by tls, with Conn.mu held unless there is a stream.
func (s *secure) Read(p []byte) (int, error) {
	if len(s.early) > 0 {
		return take(&s.early, p), nil
	}
	if s.stream != nil {
		return s.stream.Read(p)
	}
	if s.empty {
		return 0, wouldBlock{}
	}
	n, errno := recv(s.conn.fd, p)
	switch {
	case errno == unix.EAGAIN:
		s.empty = true
		return 0, wouldBlock{}
	case errno != 0 || n == 0:
		return 0, readError(errno)
	}
	// As in Conn.read, a read that leaves room has emptied the socket.
	s.empty = n < len(p) && !s.hup
	loop := s.conn.loop
	loop.bytesIn.Add(int64(n))
	s.conn.active.Store(loop.engine.clock.coarse.Load())
	return n, nil
}

// Write is called by tls, with Conn.mu held unless there is a stream.
func (s *secure) Write(p []byte) (int, error) {
	if s.stream != nil {
		return s.stream.Write(p)
	}
	s.wire = append(s.wire, p...)
	return len(p), nil
}

// Close closes the stream. What the engine holds only the engine closes.
func (s *secure) Close() error {
	if s.stream == nil {
		return nil
	}
	if s.place != nil {
		defer s.place.leave()
	}
	return s.stream.Close()
}

// LocalAddr returns the address of our end. It and the next are called like Read: by
// tls for the key of a session, too, so they take no lock.
func (s *secure) LocalAddr() net.Addr { return s.askAddr(unix.Getsockname) }

// RemoteAddr returns the address of the peer.
func (s *secure) RemoteAddr() net.Addr { return s.askAddr(unix.Getpeername) }

func (s *secure) askAddr(ask func(int) (unix.Sockaddr, error)) net.Addr {
	var a netip.AddrPort
	if s.stream == nil {
		a = addrOf(ask(int(s.conn.fd)))
	} else if raw, err := s.stream.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { a = addrOf(ask(int(fd))) })
	}
	return net.TCPAddrFromAddrPort(a)
}

// SetDeadline and the next two bound what a stream does; in the engine nothing
// blocks.
func (s *secure) SetDeadline(t time.Time) error {
	if s.stream == nil {
		return nil
	}
	return s.stream.SetDeadline(t)
}

// SetReadDeadline: see SetDeadline.
func (s *secure) SetReadDeadline(t time.Time) error {
	if s.stream == nil {
		return nil
	}
	return s.stream.SetReadDeadline(t)
}

// SetWriteDeadline: see SetDeadline.
func (s *secure) SetWriteDeadline(t time.Time) error {
	if s.stream == nil {
		return nil
	}
	return s.stream.SetWriteDeadline(t)
}

func (c *Conn) secureLocked() *secure {
	if c.cold == nil {
		return nil
	}
	return c.cold.tls
}

// TLS returns what was agreed on with the peer, nil if the connection has no TLS
// or is closed.
func (c *Conn) TLS() *tls.ConnectionState {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.secureLocked()
	if s == nil {
		return nil
	}
	state := s.tls.ConnectionState()
	return &state
}

// readSecure is read for a connection with TLS. tls.Conn may hold records that the
// socket has given already, of which no event tells: so it is asked until it has
// nothing more, or the turn is over and another follows.
func (c *Conn) readSecure(w *worker, s *secure, events uint32) (again bool) {
	s.empty, s.hup = false, events&evHup != 0
	for i := range readsPerTurn {
		if i > 0 {
			c.prepare(w)
		}
		if !w.ready {
			return false
		}
		if w.unseen { // before more is read: there may be no room for it
			if !c.hand(w.in[:w.kept]) {
				return false
			}
			continue
		}
		n, err := c.decrypt(s, w.in[w.kept:])
		if n > 0 && !c.hand(w.in[:w.kept+n]) || n == 0 && w.kept > 0 && !c.keepRest(w.in[:w.kept]) {
			return false
		}
		if err == (wouldBlock{}) {
			return false
		}
		if err != nil && n == 0 { // else it is told again, when the handler has seen all
			c.abort(err)
			return false
		}
	}
	return true
}

// decrypt fills p, unless it returns why it did not.
func (c *Conn) decrypt(s *secure, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		c.mu.Lock() // for each record: a writer need not wait for all of them
		m, err = s.tls.Read(p[n:])
		if len(s.wire) > 0 {
			c.sendWireLocked(s)
		}
		c.mu.Unlock()
		n += m
	}
	return n, err
}

// sendWireLocked sends what tls wrote by itself. What is gathered is not encrypted
// yet, so it comes after that, and waits with it if the socket is full.
func (c *Conn) sendWireLocked(s *secure) {
	o, p := c.out, s.wire
	s.wire = nil
	failed := c.putRawLocked(nil, p, nil)
	if !failed && c.out != o && o != nil {
		c.flushGatherLocked(o)
	}
}

// sealer is what encrypting needs for a moment: room for what goes in, and for what
// comes out. All is copied in, so that what callers have on their stacks stays there.
type sealer struct {
	plain [sealChunk]byte
	wire  []byte
}

const sealChunk = 32 << 10 // two records (RFC 8446, 5.1)

var sealers = sync.Pool{New: func() any { return &sealer{wire: make([]byte, 0, sealChunk+sealChunk/8)} }}

// sealLocked encrypts head and body, and sends or queues what comes out.
func (c *Conn) sealLocked(s *secure, head, body []byte) (failed bool) {
	b := sealers.Get().(*sealer)
	defer sealers.Put(b)
	for len(head)+len(body) > 0 && !failed {
		n := copy(b.plain[:], head)
		m := copy(b.plain[n:], body)
		head, body = head[n:], body[m:]
		failed = c.sealChunkLocked(s, b, n+m)
	}
	return failed
}

func (c *Conn) sealChunkLocked(s *secure, b *sealer, n int) (failed bool) {
	s.wire = b.wire[:0]
	_, err := s.tls.Write(b.plain[:n])
	wire := s.wire
	b.wire, s.wire = wire[:0], nil
	if err != nil { // after an alert of ours
		c.closeWithLocked(dying, err)
		return true
	}
	return c.putRawLocked(nil, wire, nil)
}

// partLocked says close_notify (RFC 8446, 6.1), after all that was written.
func (c *Conn) partLocked(s *secure) {
	if s.parted {
		return
	}
	s.parted = true
	_ = s.tls.CloseWrite() // fails only after an alert, which says as much
	if len(s.wire) > 0 {
		c.sendWireLocked(s)
	}
}

// partNowLocked says close_notify if nothing that is pending has to come before
// it.
func (c *Conn) partNowLocked() {
	if s := c.secureLocked(); s != nil && (c.out == nil || c.out.bytes == 0) {
		c.partLocked(s)
	}
}
