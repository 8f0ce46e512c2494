//go:build linux

package netpoll

import (
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

// Detach takes the connection out of the engine and returns it as an ordinary
// net.Conn, whose first bytes to read are unread (copied). Only the Handler may
// call it, from OnOpen, OnData or OnDeadline; nothing of the Handler is called
// afterwards, OnClose neither. On an error the connection is closed, unless the
// error is ErrPending.
func (c *Conn) Detach(unread []byte) (net.Conn, error) {
	c.mu.Lock()
	if c.phase != live {
		c.mu.Unlock()
		return nil, ErrClosed
	}
	if o := c.out; o != nil && o.gathers() {
		c.flushGatherLocked(o)
	}
	if c.out != nil && !c.out.gathers() {
		c.mu.Unlock()
		return nil, ErrPending
	}
	c.mu.Unlock()
	fd, _ := c.leave()
	c.loop.engine.open.Add(-1)
	// FileConn duplicates the descriptor; the original is closed with f.
	f := os.NewFile(uintptr(fd), "detached")
	defer f.Close()
	nc, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("netpoll: detach: %w", err)
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		nc.Close()
		return nil, fmt.Errorf("netpoll: detach: %T is not a TCP connection", nc)
	}
	return &detached{TCPConn: tcp, unread: append([]byte(nil), unread...)}, nil
}

// detached is a TCP connection with bytes in front. It has all of TCPConn's
// methods, so that net/http can use sendfile and half-close.
type detached struct {
	*net.TCPConn
	unread []byte
}

func (d *detached) Read(p []byte) (int, error) {
	if len(d.unread) > 0 {
		n := copy(p, d.unread)
		if d.unread = d.unread[n:]; len(d.unread) == 0 {
			d.unread = nil
		}
		return n, nil
	}
	return d.TCPConn.Read(p)
}

func (d *detached) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(d.unread)
	if d.unread = d.unread[n:]; err != nil {
		return int64(n), err
	}
	m, err := d.TCPConn.WriteTo(w)
	return int64(n) + m, err
}

// Adopt takes over a connection from outside, as a net/http handler gets it by
// hijacking. unread are bytes that were read from it already and come first;
// they are copied, and at most half of Options.ReadBuffer. nc is closed, the
// socket lives on in the engine; on an error nc is as it was.
func (e *Engine) Adopt(nc net.Conn, unread []byte, h Handler) error {
	if len(unread) > e.opts.ReadBuffer/2 {
		return ErrTail
	}
	var prefix []byte
	if d, ok := nc.(*detached); ok {
		prefix, nc = d.unread, d.TCPConn
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return fmt.Errorf("netpoll: adopt: %T is not a TCP connection", nc)
	}
	fd, err := dup(tcp)
	if err != nil {
		return fmt.Errorf("netpoll: adopt: %w", err)
	}
	tail := append(append([]byte(nil), unread...), prefix...)
	if err := e.attach(h, fd, live, tail); err != nil {
		unix.Close(fd)
		return err
	}
	_ = setListenOptions(fd, e.opts)
	_ = tcp.Close()
	h.Conn().notify(evRead) // what was read already raises no event
	return nil
}
