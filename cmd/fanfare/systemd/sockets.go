package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// Socket is a socket that systemd has opened.
type Socket struct {
	*os.File
	Name  string   // FileDescriptorName= of the socket unit, by default the unit's file name
	Addr  net.Addr // at which it listens
	taken bool
}

// Sockets are the sockets that systemd has passed to this process.
type Sockets []*Socket

// Inherited returns the sockets that systemd has passed (sd_listen_fds(3)). It removes the variables that describe them from
// the environment. After an error they are closed.
func Inherited() (Sockets, error) {
	var all Sockets
	for _, f := range activation.Files(true) {
		all = append(all, &Socket{File: f, Name: f.Name()})
	}
	for _, s := range all {
		var err error
		if s.Addr, err = addrOf(s.File); err != nil {
			all.Close()
			return nil, fmt.Errorf("the socket %s of systemd: %w; it must be that of ListenStream= with a port or a path", s.Name, err)
		}
	}
	return all, nil
}

func addrOf(f *os.File) (at net.Addr, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	failed := raw.Control(func(fd uintptr) { at, err = sockName(int(fd)) })
	return at, errors.Join(err, failed)
}

func sockName(fd int) (net.Addr, error) {
	if kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
		return nil, err
	} else if kind != unix.SOCK_STREAM {
		return nil, errors.New("it is not a stream socket")
	}
	if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil {
		return nil, err
	} else if listens == 0 {
		return nil, errors.New("it does not listen")
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return nil, err
	}
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: name.Addr[:], Port: name.Port}, nil
	case *unix.SockaddrInet6:
		return &net.TCPAddr{IP: name.Addr[:], Port: name.Port}, nil
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Net: "unix", Name: name.Name}, nil
	}
	return nil, errors.New("it is neither a TCP nor a Unix socket")
}

// Take returns the sockets for an address in the form of -addr: those of that name for systemd:NAME, those that listen there
// for others. They must be used; they remain Sockets's to close. systemd:NAME without a socket is an error.
func (all Sockets) Take(addr string) (some Sockets, err error) {
	name, named := strings.CutPrefix(addr, "systemd:")
	for _, s := range all {
		if !s.taken && (named && s.Name == name || !named && s.listensAt(addr)) {
			s.taken = true
			some = append(some, s)
		}
	}
	if named && len(some) == 0 {
		return nil, fmt.Errorf("-addr is %s, but systemd has passed %s; the name is FileDescriptorName= of the socket unit, by default its file name", addr, all.list("no socket"))
	}
	return some, nil
}

// listensAt reports whether a server that is to listen at addr can use the socket.
func (s *Socket) listensAt(addr string) bool {
	path, isUnix := strings.CutPrefix(addr, "unix:")
	at, isTCP := s.Addr.(*net.TCPAddr)
	if isUnix || !isTCP {
		return isUnix && !isTCP && s.Addr.String() == path
	}
	want, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil || want.Port != at.Port {
		return false
	}
	return want.IP == nil && at.IP.IsUnspecified() || want.IP.Equal(at.IP)
}

// Left returns an error if nothing has taken one of the sockets: its clients would wait in vain.
func (all Sockets) Left() error {
	left := slices.DeleteFunc(slices.Clone(all), func(s *Socket) bool { return s.taken })
	if len(left) == 0 {
		return nil
	}
	return fmt.Errorf("systemd has passed %s, which no -addr has; give -addr systemd:%s", left.list(""), left[0].Name)
}

func (all Sockets) list(none string) string {
	var words []string
	for _, s := range all {
		words = append(words, fmt.Sprintf("the socket %s at %s", s.Name, s.Addr))
	}
	if len(words) == 0 {
		return none
	}
	return strings.Join(words, " and ")
}

// Close closes the program's descriptors of the sockets. systemd has its own: clients that connect wait for the next start.
func (all Sockets) Close() {
	for _, s := range all {
		_ = s.File.Close()
	}
}
