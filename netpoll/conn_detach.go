//go:build linux

package netpoll

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrPending says that a connection cannot leave the engine while bytes wait to
// be written.
var ErrPending = errors.New("netpoll: connection has pending writes")

// ErrForeignTLS says that a connection cannot be adopted because its TLS was not
// begun by an engine: a tls.Conn cannot be taken off its transport.
var ErrForeignTLS = errors.New("netpoll: a TLS connection can be adopted only if an engine's listener accepted it (see ListenTLS)")

// Detach takes the connection out of the engine and returns it as an ordinary
// net.Conn, whose first bytes to read are unread (copied). A connection with TLS keeps
// it, and has tls.Conn's methods. Only the Handler may
// call Detach, from OnOpen, OnData or OnDeadline; no method of the Handler is called
// afterwards, not even OnClose. On an error the connection is closed and OnClose
// called, unless the error is ErrPending. The net.Conn counts against
// Options.MaxConns and MaxConnsPerAddr until it is closed.
func (c *Conn) Detach(unread []byte) (net.Conn, error) {
	if !c.isLive() {
		return nil, ErrClosed
	}
	// First the step that can fail for lack of descriptors: after it there is no way back.
	nc, err := c.duplicate()
	if err != nil {
		err = fmt.Errorf("netpoll: detach: %w", err)
		c.abort(err)
		return nil, err
	}
	s, err := c.leave((*Conn).mayDetachLocked)
	if err != nil {
		nc.Close()
		return nil, err
	}
	s.lease.detach()
	unix.Close(s.fd)
	unread = append(s.input, unread...)
	place := &place{lease: s.lease}
	if t := s.tls; t != nil {
		t.stream, t.place = nc, place
		return &detachedTLS{Conn: t.tls, transport: t, unread: unread}, nil
	}
	d := detachedConn{netConn: nc, unread: unread, place: place, addrs: s.addrs}
	if tcp, ok := nc.(*net.TCPConn); ok {
		return &detachedTCP{tcp, d}, nil
	}
	return &d, nil
}

// netConn is a *net.TCPConn or a *net.UnixConn.
type netConn interface {
	net.Conn
	syscall.Conn
	CloseRead() error
	CloseWrite() error
}

// duplicate returns the socket as net.FileConn makes it, with a descriptor besides ours.
func (c *Conn) duplicate() (netConn, error) {
	fd, err := unix.FcntlInt(uintptr(c.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "detached")
	defer f.Close()
	nc, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	stream, err := asNetConn(nc)
	if err != nil {
		nc.Close()
	}
	return stream, err
}

// mayDetachLocked is for a connection that becomes a net.Conn. It sends what was gathered
// under the same lock under which the connection leaves, so that no write of another
// goroutine is lost in between.
func (c *Conn) mayDetachLocked() error {
	c.flushGatherLocked()
	if c.phase == live && (c.queueLocked() != nil || c.access == accessReserved) {
		return ErrPending
	}
	return c.mayHandOverLocked()
}

// detachedConn is a connection that returns unread before what the socket has, and the addresses of its preamble if it
// had one.
type detachedConn struct {
	netConn
	unread []byte
	place  *place
	addrs  *addrs
}

func (d *detachedConn) Close() error {
	defer d.place.leave()
	return d.netConn.Close()
}

func (d *detachedConn) Read(p []byte) (int, error) {
	if len(d.unread) > 0 {
		return take(&d.unread, p), nil
	}
	return d.netConn.Read(p)
}

func (d *detachedConn) LocalAddr() net.Addr {
	if d.addrs != nil {
		return net.TCPAddrFromAddrPort(d.addrs.local)
	}
	return d.netConn.LocalAddr()
}

func (d *detachedConn) RemoteAddr() net.Addr {
	if d.addrs != nil {
		return net.TCPAddrFromAddrPort(d.addrs.remote)
	}
	return d.netConn.RemoteAddr()
}

// detachedTCP has all of TCPConn's methods besides, so that net/http can use sendfile.
type detachedTCP struct {
	*net.TCPConn
	detached detachedConn
}

func (d *detachedTCP) Close() error { return d.detached.Close() }

func (d *detachedTCP) Read(p []byte) (int, error) { return d.detached.Read(p) }

func (d *detachedTCP) LocalAddr() net.Addr { return d.detached.LocalAddr() }

func (d *detachedTCP) RemoteAddr() net.Addr { return d.detached.RemoteAddr() }

func (d *detachedTCP) WriteTo(w io.Writer) (int64, error) {
	unread := &d.detached.unread
	var n int
	if len(*unread) > 0 {
		var err error
		n, err = w.Write(*unread)
		if *unread = (*unread)[n:]; err != nil {
			return int64(n), err
		}
		*unread = nil
	}
	m, err := d.TCPConn.WriteTo(w)
	return int64(n) + m, err
}

// detachedTLS is the same with TLS: net/http asks it for the ConnectionState.
type detachedTLS struct {
	*tls.Conn
	transport *tlsTransport
	unread    []byte
}

func (d *detachedTLS) Read(p []byte) (int, error) {
	if len(d.unread) > 0 {
		return take(&d.unread, p), nil
	}
	return d.Conn.Read(p)
}

// Adopt takes over a connection from outside, for example one that a net/http handler has
// hijacked. unread are bytes that were read from it already and come first;
// they are copied. Together with the unread bytes of a connection from Detach they must be at
// most half of Options.ReadBuffer, else the error is ErrTail. Adopt closes nc; the
// socket lives on in the engine, in non-blocking mode, which must not be changed. On an
// error nc is unchanged. A connection with TLS can be adopted only if it comes from
// Detach, else the error is ErrForeignTLS. Options.MaxConns does not refuse it: see
// Full.
func (e *Engine) Adopt(nc net.Conn, unread []byte, h Handler) error {
	a, err := unwrap(nc)
	if err != nil {
		return err
	}
	if len(unread)+len(a.prefix) > e.opts.ReadBuffer/2 {
		return ErrTail
	}
	fd, err := dup(a.conn)
	if err != nil {
		return fmt.Errorf("netpoll: adopt: %w", err)
	}
	if err = unix.SetNonblock(fd, true); err != nil { // os.File.Fd may have changed that
		err = fmt.Errorf("netpoll: adopt: %w", err)
	} else {
		err = a.enter(e, State{fd: fd, phase: live, input: append(append([]byte(nil), unread...), a.prefix...), tls: a.tls, addrs: a.addrs}, h)
	}
	if err != nil {
		unix.Close(fd)
		return err
	}
	if raw, err := a.conn.SyscallConn(); err == nil { // fd may be closed by now, and a stranger's
		_ = raw.Control(func(fd uintptr) { _ = setSocketOptions(int(fd), e.opts) })
	}
	_ = a.conn.Close()
	if was, ok := nc.(*detachedTLS); ok { // a call of it shall not reach the engine's TLS
		*was = detachedTLS{Conn: tls.Client(a.conn, nil)}
	}
	h.Conn().notify(evRead) // what was read already raises no event
	return nil
}

// adopted holds the parts of a connection from outside.
type adopted struct {
	conn   netConn
	tls    *tlsTransport
	prefix []byte
	addrs  *addrs
	place  *place // nil unless it comes from Detach
}

func unwrap(nc net.Conn) (a adopted, err error) {
	switch d := nc.(type) {
	case *detachedTCP:
		a, nc = d.detached.adopted(), d.TCPConn
	case *detachedConn:
		a, nc = d.adopted(), d.netConn
	case *detachedTLS:
		if d.transport == nil {
			return a, fmt.Errorf("netpoll: adopt: %w", net.ErrClosed)
		}
		a, nc = adopted{tls: d.transport, prefix: d.unread, addrs: d.transport.addrs, place: d.transport.place}, d.transport.stream.(net.Conn)
	case *tls.Conn:
		return a, ErrForeignTLS
	}
	if a.conn, err = asNetConn(nc); err != nil {
		err = fmt.Errorf("netpoll: adopt: %w", err)
	}
	return a, err
}

// asNetConn fails for every other type, even one that has the methods: it may have read ahead.
func asNetConn(nc net.Conn) (netConn, error) {
	switch nc := nc.(type) {
	case *net.TCPConn:
		return nc, nil
	case *net.UnixConn:
		return nc, nil
	}
	return nil, fmt.Errorf("%T is not a connection of TCP or a Unix socket", nc)
}

func (d *detachedConn) adopted() adopted {
	return adopted{prefix: d.unread, addrs: d.addrs, place: d.place}
}

// enter puts s, the state of a, into e. On an error a is unchanged.
func (a *adopted) enter(e *Engine, s State, h Handler) error {
	if !a.place.claim() {
		return net.ErrClosed
	}
	if a.place != nil {
		s.lease = a.place.lease
	}
	err := e.enter(&s, h)
	if t := a.tls; t != nil && err == nil {
		t.place = nil
	} else if t != nil {
		t.stream = a.conn
	}
	if err != nil {
		a.place.disclaim()
	}
	return err
}
