//go:build linux

package netpoll

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Dial begins to connect to the TCP address to, from the address from, whose
// port is chosen late (IP_BIND_ADDRESS_NO_PORT), or from any if from is not
// valid. It does not wait: h.OnOpen says that the connection is there, h.OnClose
// that it failed. Set a deadline in time: there is none.
func (e *Engine) Dial(from netip.Addr, to netip.AddrPort, h Handler) error {
	fd, err := connect(from, to)
	if err != nil {
		return fmt.Errorf("netpoll: connect to %v: %w", to, err)
	}
	if err := e.attach(h, fd, dialing, nil); err != nil {
		unix.Close(fd)
		return err
	}
	return nil
}

func connect(from netip.Addr, to netip.AddrPort) (fd int, err error) {
	family := unix.AF_INET
	if !to.Addr().Unmap().Is4() {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if from.IsValid() {
		_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if err = unix.Bind(fd, sockaddr(netip.AddrPortFrom(from, 0))); err != nil {
			unix.Close(fd)
			return -1, fmt.Errorf("bind to %v: %w", from, err)
		}
	}
	if err = unix.Connect(fd, sockaddr(to)); err != nil && err != unix.EINPROGRESS && err != unix.EINTR {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// connected finds out, at the first event, what became of the attempt.
func (c *Conn) connected() bool {
	v, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && v != 0 {
		err = unix.Errno(v)
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

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if ip := a.Addr().Unmap(); ip.Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: ip.As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// LocalAddr asks the kernel for the address of our end; the zero value if the
// connection is closed.
func (c *Conn) LocalAddr() netip.AddrPort { return c.askAddr(unix.Getsockname) }

// RemoteAddr asks the kernel for the address of the peer; the zero value if the
// connection is closed.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.askAddr(unix.Getpeername) }

func (c *Conn) askAddr(ask func(int) (unix.Sockaddr, error)) netip.AddrPort {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == unborn || c.phase == dead {
		return netip.AddrPort{}
	}
	sa, err := ask(int(c.fd))
	if err != nil {
		return netip.AddrPort{}
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
