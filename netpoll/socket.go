//go:build linux

package netpoll

import (
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a socket that listens.
type socket struct {
	fd     int
	addr   net.Addr
	remove func() // its file; nil if there is none
}

func (s *socket) close() {
	if s.remove != nil {
		s.remove()
	}
	unix.Close(s.fd)
}

// setSocketOptions sets the options that every connection has. Accepted sockets inherit them
// from the listening one, which saves four system calls for each.
func setSocketOptions(fd int, o Options) error {
	return errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, o.NotSentLowat),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(o.UserTimeout/time.Millisecond)),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1),
	)
}

// dup returns a new descriptor for s's socket, closed on exec. Going through File would put
// the socket into blocking mode.
func dup(s syscall.Conn) (fd int, err error) {
	raw, err := s.SyscallConn()
	if err != nil {
		return -1, err
	}
	ctlErr := raw.Control(func(orig uintptr) {
		fd, err = unix.FcntlInt(orig, unix.F_DUPFD_CLOEXEC, 0)
	})
	if ctlErr != nil {
		return -1, ctlErr
	}
	return fd, err
}
