//go:build linux

package netpoll

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

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
	tcp, err := c.duplicate()
	if err != nil {
		err = fmt.Errorf("netpoll: detach: %w", err)
		c.abort(err)
		return nil, err
	}
	s, err := c.leave((*Conn).mayDetachLocked)
	if err != nil {
		tcp.Close()
		return nil, err
	}
	s.lease.detach()
	unix.Close(s.fd)
	unread = append(s.input, unread...)
	place := &place{lease: s.lease}
	if t := s.tls; t != nil {
		t.stream, t.place = tcp, place
		return &detachedTLS{Conn: t.tls, transport: t, unread: unread}, nil
	}
	return &detached{TCPConn: tcp, unread: unread, place: place}, nil
}

// duplicate returns the socket as net.FileConn makes it, with a descriptor besides ours.
func (c *Conn) duplicate() (*net.TCPConn, error) {
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
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		nc.Close()
		return nil, fmt.Errorf("%T is not a TCP connection", nc)
	}
	return tcp, nil
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

// detached is a TCP connection that returns unread before what the socket has. It has all
// of TCPConn's methods, so that net/http can use sendfile and half-close.
type detached struct {
	*net.TCPConn
	unread []byte
	place  *place
}

func (d *detached) Close() error {
	defer d.place.leave()
	return d.TCPConn.Close()
}

func (d *detached) Read(p []byte) (int, error) {
	if len(d.unread) > 0 {
		return take(&d.unread, p), nil
	}
	return d.TCPConn.Read(p)
}

func (d *detached) WriteTo(w io.Writer) (int64, error) {
	var n int
	if len(d.unread) > 0 {
		var err error
		n, err = w.Write(d.unread)
		if d.unread = d.unread[n:]; err != nil {
			return int64(n), err
		}
		d.unread = nil
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
	fd, err := dup(a.tcp)
	if err != nil {
		return fmt.Errorf("netpoll: adopt: %w", err)
	}
	if err = unix.SetNonblock(fd, true); err != nil { // os.File.Fd may have changed that
		err = fmt.Errorf("netpoll: adopt: %w", err)
	} else {
		err = a.enter(e, State{fd: fd, phase: live, input: append(append([]byte(nil), unread...), a.prefix...), tls: a.tls}, h)
	}
	if err != nil {
		unix.Close(fd)
		return err
	}
	if raw, err := a.tcp.SyscallConn(); err == nil { // fd may be closed by now, and a stranger's
		_ = raw.Control(func(fd uintptr) { _ = setSocketOptions(int(fd), e.opts) })
	}
	_ = a.tcp.Close()
	if was, ok := nc.(*detachedTLS); ok { // a call of it shall not reach the engine's TLS
		*was = detachedTLS{Conn: tls.Client(a.tcp, nil)}
	}
	h.Conn().notify(evRead) // what was read already raises no event
	return nil
}

// adopted holds the parts of a connection from outside.
type adopted struct {
	tcp    *net.TCPConn
	tls    *tlsTransport
	prefix []byte
	place  *place // nil unless it comes from Detach
}

func unwrap(nc net.Conn) (a adopted, err error) {
	switch d := nc.(type) {
	case *detached:
		a, nc = adopted{prefix: d.unread, place: d.place}, d.TCPConn
	case *detachedTLS:
		if d.transport == nil {
			return a, fmt.Errorf("netpoll: adopt: %w", net.ErrClosed)
		}
		a, nc = adopted{tls: d.transport, prefix: d.unread, place: d.transport.place}, d.transport.stream.(net.Conn)
	case *tls.Conn:
		return a, ErrForeignTLS
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return a, fmt.Errorf("netpoll: adopt: %T is not a TCP connection", nc)
	}
	a.tcp = tcp
	return a, nil
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
		t.stream = a.tcp
	}
	if err != nil {
		a.place.disclaim()
	}
	return err
}
