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
// begun by an engine: tls.Conn cannot be taken off its transport.
var ErrForeignTLS = errors.New("netpoll: a TLS connection can be adopted only if an engine's listener accepted it (see ListenTLS)")

// Detach takes the connection out of the engine and returns it as an ordinary
// net.Conn, whose first bytes to read are unread (copied); one with TLS goes on with
// it, and has tls.Conn's methods. Only the Handler may
// call it, from OnOpen, OnData or OnDeadline; nothing of the Handler is called
// afterwards, OnClose neither. On an error the connection is closed, and OnClose
// called, unless the error is ErrPending. What is returned goes on to count against
// Options.MaxConns and MaxConnsPerAddr, until it is closed.
func (c *Conn) Detach(unread []byte) (net.Conn, error) {
	if !c.isLive() {
		return nil, ErrClosed
	}
	// First what can fail for want of descriptors; then there is no way back.
	tcp, err := c.duplicate()
	if err != nil {
		err = fmt.Errorf("netpoll: detach: %w", err)
		c.abort(err)
		return nil, err
	}
	c.mu.Lock()
	s := c.secureLocked()
	fd, tail, err := c.detachLocked()
	c.mu.Unlock()
	if err != nil {
		tcp.Close()
		return nil, err
	}
	c.unlist(fd)
	place := c.loop.engine.admission.detach(int(fd))
	unix.Close(int(fd))
	c.loop.engine.open.Add(-1)
	tail = append(tail, unread...)
	if s != nil {
		s.conn, s.stream, s.place = nil, tcp, place
		return &detachedTLS{Conn: s.tls, secure: s, unread: tail}, nil
	}
	return &detached{TCPConn: tcp, unread: tail, place: place}, nil
}

// duplicate returns the socket as net.FileConn makes it, beside our descriptor.
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

// detachLocked sends what was gathered and makes c dead in one step, so that no
// write of another goroutine is lost in between. tail is what the handler has
// left over, or has not seen yet.
func (c *Conn) detachLocked() (fd int32, tail []byte, err error) {
	if o := c.out; o != nil && o.gathers() {
		c.flushGatherLocked(o)
	}
	if c.phase != live {
		return -1, nil, ErrClosed
	}
	if c.out != nil && !c.out.gathers() || c.access == accessReserved {
		return -1, nil, ErrPending
	}
	if c.cold != nil {
		tail = c.cold.tail
	}
	fd, _ = c.dieLocked()
	return fd, tail, nil
}

// detached is a TCP connection with bytes in front. It has all of TCPConn's
// methods, so that net/http can use sendfile and half-close.
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

// take moves what p has room for out of from.
func take(from *[]byte, p []byte) int {
	n := copy(p, *from)
	if *from = (*from)[n:]; len(*from) == 0 {
		*from = nil
	}
	return n
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

// detachedTLS is the same with TLS: net/http learns from its ConnectionState what
// was agreed on.
type detachedTLS struct {
	*tls.Conn
	secure *secure
	unread []byte
}

func (d *detachedTLS) Read(p []byte) (int, error) {
	if len(d.unread) > 0 {
		return take(&d.unread, p), nil
	}
	return d.Conn.Read(p)
}

// Adopt takes over a connection from outside, as a net/http handler gets it by
// hijacking. unread are bytes that were read from it already and come first;
// they are copied. With what a connection from Detach has in front they are at
// most half of Options.ReadBuffer, else the error is ErrTail. nc is closed, the
// socket lives on in the engine, which has it not block, as nobody may change later; on an
// error nc is as it was. A connection with TLS can be adopted only if it comes from
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
		err = e.attachAdopted(&a, fd, append(append([]byte(nil), unread...), a.prefix...), h)
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

// adopted is a connection from outside, taken apart.
type adopted struct {
	tcp    *net.TCPConn
	secure *secure
	prefix []byte
	place  *place // nil unless it comes from Detach
}

func unwrap(nc net.Conn) (a adopted, err error) {
	switch d := nc.(type) {
	case *detached:
		a, nc = adopted{prefix: d.unread, place: d.place}, d.TCPConn
	case *detachedTLS:
		if d.secure == nil {
			return a, fmt.Errorf("netpoll: adopt: %w", net.ErrClosed)
		}
		a, nc = adopted{secure: d.secure, prefix: d.unread, place: d.secure.place}, d.secure.stream.(net.Conn)
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

// attachAdopted is attach, with tail as what comes first. On an error everything is as
// it was.
func (e *Engine) attachAdopted(a *adopted, fd int, tail []byte, h Handler) error {
	var r *cold
	if a.secure != nil || len(tail) > 0 {
		r = &cold{tail: tail, tls: a.secure}
	}
	if !e.admission.adopt(fd, a.place) {
		return net.ErrClosed
	}
	if s := a.secure; s != nil {
		s.conn, s.stream, s.place = h.Conn(), nil, nil
	}
	err := e.attach(h, fd, live, r)
	if err != nil {
		e.admission.disown(fd, a.place)
		if s := a.secure; s != nil {
			s.conn, s.stream, s.place = nil, a.tcp, a.place
		}
	}
	return err
}
