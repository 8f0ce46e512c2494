package sys

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sockaddr returns a as system calls take it.
func Sockaddr(a netip.AddrPort) unix.Sockaddr {
	if ip := a.Addr().Unmap(); ip.Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: ip.As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// PeerAddr and LocalAddr return the addresses of a socket; the zero value if it is not connected, or has no IP address. They do
// what AddrOf does with the results of unix.Getpeername and Getsockname, which cost another system call, for the
// socket's protocol, and an allocation.
func PeerAddr(fd int) netip.AddrPort { return addrBy(unix.SYS_GETPEERNAME, fd) }

// LocalAddr returns the socket's own address.
func LocalAddr(fd int) netip.AddrPort { return addrBy(unix.SYS_GETSOCKNAME, fd) }

func addrBy(trap uintptr, fd int) netip.AddrPort {
	var sa unix.RawSockaddrInet6 // larger ones are cut off, and not of IP
	size := uint32(unsafe.Sizeof(sa))
	if _, _, e := unix.RawSyscall(trap, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size))); e != 0 {
		return netip.AddrPort{}
	}
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:])
	switch sa.Family {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&sa)).Addr), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), port)
	}
	return netip.AddrPort{}
}

// AddrOf returns the address that a system call has returned; the zero value if it has failed, or if
// the socket has no IP address.
func AddrOf(sa unix.Sockaddr, err error) netip.AddrPort {
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
