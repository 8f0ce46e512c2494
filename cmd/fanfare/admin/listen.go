package admin

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
)

// open returns a listener at "host:port" or "unix:path".
func open(addr string) (net.Listener, error) {
	path, isUnix := strings.CutPrefix(addr, "unix:")
	if !isUnix {
		return net.Listen(networkOf(addr), addr)
	}
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && isStale(path) {
		if err = os.Remove(path); err == nil || errors.Is(err, fs.ErrNotExist) {
			l, err = net.Listen("unix", path)
		}
	}
	return l, err
}

// networkOf returns "tcp4" for an address of IPv4, and "tcp" for others. With "tcp" package net listens on IPv6, too, if the
// address is 0.0.0.0, and a firewall that only knows IPv4 would not protect it.
func networkOf(addr string) string {
	host, _, _ := net.SplitHostPort(addr)
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().Is4() {
		return "tcp4"
	}
	return "tcp"
}

// isStale reports whether path is the file of a socket on which nobody listens.
func isStale(path string) bool {
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	nc, err := net.Dial("unix", path)
	if err == nil {
		nc.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// bounded closes connections beyond the capacity of free.
type bounded struct {
	net.Listener
	free chan struct{} // has a token for each open connection
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		nc, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case b.free <- struct{}{}:
			return &conn{Conn: nc, leave: sync.OnceFunc(func() { <-b.free })}, nil
		default:
			nc.Close()
		}
	}
}

// conn leaves its place when it is closed.
type conn struct {
	net.Conn
	leave func()
}

func (c *conn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
