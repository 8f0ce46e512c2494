// Package sys has the system calls that the engine makes for each connection or message.
package sys

import (
	"io"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The hot calls do not tell the scheduler about the system call (RawSyscall):
// on a non-blocking socket they return at once, and the bookkeeping of a
// blocking call costs more than the rest of a turn. recvfrom and sendto have a
// shorter path through the kernel than read and write, and can suppress SIGPIPE.
// Package syscall's RawSyscall6 saves the two wrappers that x/sys puts around it.

const sendFlags = unix.MSG_NOSIGNAL | unix.MSG_DONTWAIT

// MaxIovecs is the number of buffers that one sendmsg carries.
const MaxIovecs = 64

// Recv is recvfrom(2) on a non-blocking socket.
func Recv(fd int32, p []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// Send is sendto(2) on a non-blocking socket.
func Send(fd int32, p []byte, flags int) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), uintptr(sendFlags|flags), 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// Sendv is sendmsg(2) on a non-blocking socket, of at most MaxIovecs buffers.
func Sendv(fd int32, iov []unix.Iovec) (int, syscall.Errno) {
	msg := unix.Msghdr{Iov: unsafe.SliceData(iov)}
	msg.SetIovlen(len(iov))
	for {
		n, _, errno := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd),
			uintptr(unsafe.Pointer(&msg)), sendFlags)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// Iovec returns the vector of p.
func Iovec(p []byte) unix.Iovec {
	v := unix.Iovec{Base: unsafe.SliceData(p)}
	v.SetLen(len(p))
	return v
}

// Accept returns a new connection and the peer's address, which unix.Accept4 would
// allocate.
func Accept(fd int) (int, netip.Addr, error) {
	var sa unix.RawSockaddrInet6 // the larger of the two
	size := uint32(unsafe.Sizeof(sa))
	n, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&sa)),
		uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, netip.Addr{}, errno
	}
	switch sa.Family {
	case unix.AF_INET:
		return int(n), netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&sa)).Addr), nil
	case unix.AF_INET6:
		return int(n), netip.AddrFrom16(sa.Addr), nil
	}
	return int(n), netip.Addr{}, nil
}

// ReadError returns the error of a read that has returned nothing: io.EOF if errno is 0.
func ReadError(errno unix.Errno) error {
	if errno == 0 {
		return io.EOF
	}
	return errno
}
