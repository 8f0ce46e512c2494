package netpoll

import (
	"net/netip"
	"reflect"
	"syscall"
	"unsafe"

	easygo "github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"
)

// The hot calls do not tell the scheduler about the system call (RawSyscall):
// on a non-blocking socket they return at once, and the bookkeeping of a
// blocking call costs more than the rest of a turn. recvfrom and sendto have a
// shorter path through the kernel than read and write, and can suppress SIGPIPE.
// Package syscall's RawSyscall6 saves the two wrappers that x/sys puts around it.

const sendFlags = unix.MSG_NOSIGNAL | unix.MSG_DONTWAIT

// maxIovecs is the number of buffers that one sendmsg carries.
const maxIovecs = 64

func recv(fd int32, p []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

func send(fd int32, p []byte, flags int) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), uintptr(sendFlags|flags), 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

func sendv(fd int32, iov []unix.Iovec) (int, syscall.Errno) {
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

func iovec(p []byte) unix.Iovec {
	v := unix.Iovec{Base: unsafe.SliceData(p)}
	v.SetLen(len(p))
	return v
}

// accept returns a new connection and the peer's address, which unix.Accept4 would
// allocate.
func accept(fd int) (int, netip.Addr, error) {
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

// newEpoll returns an easygo instance whose descriptors are closed on exec. easygo itself does
// not set that, and a child process would keep the sockets of the server alive. ForkLock
// prevents this program from starting another (os/exec) in between; a fork by
// other means, in C, is still possible.
func newEpoll(onError func(error)) (*easygo.Epoll, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	poll, err := easygo.EpollCreate(&easygo.EpollConfig{OnWaitError: onError})
	if err != nil {
		return nil, err
	}
	// The fields are unexported, but reflection can read them. With a
	// version that does not have them, the descriptors stay as they are, and a test fails.
	v := reflect.ValueOf(poll).Elem()
	for _, name := range []string{"fd", "eventFd"} {
		if f := v.FieldByName(name); f.IsValid() && f.CanInt() {
			unix.CloseOnExec(int(f.Int()))
		}
	}
	return poll, nil
}
