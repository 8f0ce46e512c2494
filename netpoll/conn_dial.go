//go:build linux

package netpoll

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll/internal/sys"
)

// Dial begins to connect to the TCP address to. The local address is from, whose
// port is chosen late (IP_BIND_ADDRESS_NO_PORT), or any address if from is not
// valid. Dial does not wait: h.OnOpen is called when the connection is there, h.OnClose
// if the attempt fails. A deadline that is set after Dial and passes before OnOpen ends
// the attempt with ETIMEDOUT; Options.UserTimeout bounds it too.
func (e *Engine) Dial(from netip.Addr, to netip.AddrPort, h Handler) error {
	fd, err := e.connect(from, to)
	if err != nil {
		return fmt.Errorf("netpoll: connect to %v: %w", to, err)
	}
	s := State{fd: fd, phase: dialing}
	if err := e.enter(&s, h); err != nil {
		s.close()
		return err
	}
	return nil
}

func (e *Engine) connect(from netip.Addr, to netip.AddrPort) (fd int, err error) {
	family := unix.AF_INET
	if !to.Addr().Unmap().Is4() {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	_ = setSocketOptions(fd, e.opts)
	if from.IsValid() {
		_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if err = unix.Bind(fd, sys.Sockaddr(netip.AddrPortFrom(from, 0))); err != nil {
			unix.Close(fd)
			return -1, fmt.Errorf("bind to %v: %w", from, err)
		}
	}
	if err = unix.Connect(fd, sys.Sockaddr(to)); err != nil && err != unix.EINPROGRESS && err != unix.EINTR {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// runDialing is the turn of a connection that is not established yet.
func (c *Conn) runDialing(events uint32) {
	if events&evSocket != 0 && c.connected() {
		c.handler.OnOpen()
		c.state.Or(events & evRead)
		return
	}
	if events&evTimer != 0 && c.expired() {
		c.abort(unix.ETIMEDOUT)
	}
}

// connected reports whether the attempt has succeeded, and ends the connection if it has
// failed. The event may have been meant for an earlier owner of the descriptor's number:
// then the attempt is still under way.
func (c *Conn) connected() bool {
	v, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && v != 0 {
		err = unix.Errno(v)
	}
	if err == nil {
		if _, e := unix.Getpeername(int(c.fd)); e == unix.ENOTCONN {
			return false
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && c.phase == dialing {
		c.phase = live
		return true
	}
	c.closeWithLocked(dying, err)
	return false
}
