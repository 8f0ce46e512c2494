//go:build linux

package netpoll

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// openUnix returns a Unix socket that listens on path. mode is that of Endpoint.
func openUnix(path string, mode fs.FileMode) (socket, error) {
	if path == "" || path == "@" {
		return socket{}, errors.New("netpoll: listen: the path of the Unix socket is empty")
	}
	s, err := bindUnix(path, mode)
	if err == unix.EADDRINUSE && isStale(path) {
		if err = os.Remove(path); err == nil || errors.Is(err, fs.ErrNotExist) {
			s, err = bindUnix(path, mode)
		}
	}
	if err != nil {
		return socket{}, fmt.Errorf("netpoll: listen on Unix socket %s: %w", path, err)
	}
	return s, nil
}

// bindUnix makes the socket, and its file, whose permissions are never wider than mode.
func bindUnix(path string, mode fs.FileMode) (_ socket, err error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return socket{}, err
	}
	s := socket{fd: fd, addr: &net.UnixAddr{Net: "unix", Name: path}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if mode != 0 { // bind takes these permissions from the socket, without those of the umask
		if err := unix.Fchmod(fd, uint32(mode.Perm())); err != nil {
			return s, err
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return s, err
	}
	if !strings.HasPrefix(path, "@") {
		if s.remove, err = remover(path); err == nil && mode != 0 {
			err = os.Chmod(path, mode.Perm())
		}
	}
	if err == nil {
		err = unix.Listen(fd, unix.SOMAXCONN)
	}
	return s, err
}

// remover returns a function that removes the file at path, unless another one has taken its place: that of
// a process that has taken over.
func remover(path string) (func(), error) {
	made, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	return func() {
		if now, err := os.Lstat(path); err == nil && os.SameFile(made, now) {
			_ = os.Remove(path)
		}
	}, nil
}

// isStale reports whether path is the file of a socket on which nobody listens.
func isStale(path string) bool {
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: path}) == unix.ECONNREFUSED
}
