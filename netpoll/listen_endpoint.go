//go:build linux

package netpoll

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Endpoint says where and how a listener accepts connections: see Engine.ListenOn.
type Endpoint struct {
	// Network is "tcp", "tcp4", "tcp6" or "unix". With "tcp" an Addr without a host, or with the host [::],
	// accepts IPv4 and IPv6, and one with the host 0.0.0.0 accepts IPv4 only. If Network is empty it is "unix" for an Addr that begins with "unix:", else "tcp".
	Network string
	// Addr is "host:port", where port 0 picks a free port, or the path of a Unix socket, with or without "unix:"
	// in front. A path that begins with "@" is a name in the abstract namespace, which any user of the machine
	// can connect to. The file of a socket on which nobody listens any more is replaced; that of one which is in
	// use, or any other file, is an error. Closing the listener removes the file.
	Addr string
	// Mode has the permissions of the file of a Unix socket, which decide who can connect; if 0, those that the
	// process's umask leaves.
	Mode fs.FileMode
	// Socket, if not nil, is used in place of Network and Addr: a TCP or Unix socket that listens already, such as
	// an os.File of a descriptor that was inherited. The listener has a descriptor of its own for it, and the
	// caller can close Socket afterwards. The socket becomes non-blocking.
	Socket syscall.Conn
	// TLS, if not nil, makes it a listener with TLS: see Engine.ListenTLS.
	TLS *TLS
	// Preamble says that every connection must begin with a preamble, whatever Options.Preamble.From says of its peer.
	// Whoever can connect can then pretend to be any client.
	Preamble bool
}

// TLS says how a listener does TLS.
type TLS struct {
	// Config is as for tls.Server. It must not change afterwards; certificates that do are what its GetCertificate
	// and GetConfigForClient are for. They are called on the goroutine of the handshake, which takes one of
	// Options.TLSHandshakes until it is over, so they may wait, but not for long. A panic in them is logged.
	Config *tls.Config
	// Answer is sent, unencrypted, to a client whose first bytes are not TLS, before
	// the connection is closed.
	Answer []byte
}

// open returns the socket of the endpoint.
func (at Endpoint) open(o Options) (socket, error) {
	if at.Socket != nil {
		return inherit(at.Socket, o)
	}
	network, addr := at.Network, strings.TrimPrefix(at.Addr, "unix:")
	if network == "" {
		if network = "tcp"; addr != at.Addr {
			network = "unix"
		}
	}
	switch network {
	case "tcp", "tcp4", "tcp6":
		return openTCP(network, at.Addr, o)
	case "unix":
		return openUnix(addr, at.Mode)
	}
	return socket{}, fmt.Errorf("netpoll: listen: network %q is unknown; it must be tcp, tcp4, tcp6 or unix", network)
}

// onlyIPv4 reports whether the host of an address is one of IPv4. Package net listens on IPv6, too, if it is 0.0.0.0.
func onlyIPv4(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().Is4()
}

func openTCP(network, addr string, o Options) (socket, error) {
	if network == "tcp" && onlyIPv4(addr) {
		network = "tcp4"
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // its sockets take no TCP_NOTSENT_LOWAT
	nl, err := lc.Listen(context.Background(), network, addr)
	if err != nil {
		return socket{}, err
	}
	defer nl.Close()
	fd, err := dup(nl.(*net.TCPListener))
	if err != nil {
		return socket{}, fmt.Errorf("netpoll: listen: %w", err)
	}
	if err := setSocketOptions(fd, o); err != nil {
		unix.Close(fd)
		return socket{}, fmt.Errorf("netpoll: listen: %w", err)
	}
	return socket{fd: fd, addr: nl.Addr()}, nil
}

var errNotListening = errors.New("the socket does not listen; it must be a TCP or Unix stream socket on which listen(2) was called")

// inherit returns a socket that listens already.
func inherit(c syscall.Conn, o Options) (socket, error) {
	fd, err := dup(c)
	if err != nil {
		return socket{}, fmt.Errorf("netpoll: listen: %w", err)
	}
	addr, err := inheritedAddr(fd)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if _, tcp := addr.(*net.TCPAddr); tcp && err == nil {
		_ = setSocketOptions(fd, o) // one of Multipath TCP takes most of them
	}
	if err != nil {
		unix.Close(fd)
		return socket{}, fmt.Errorf("netpoll: listen on an inherited socket: %w", err)
	}
	return socket{fd: fd, addr: addr}, nil
}

func inheritedAddr(fd int) (net.Addr, error) {
	if kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
		return nil, err
	} else if kind != unix.SOCK_STREAM {
		return nil, errNotListening
	}
	if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listens == 0 {
		return nil, errors.Join(err, errNotListening)
	}
	sa, err := unix.Getsockname(fd)
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}, nil
	case *unix.SockaddrInet6:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}, nil
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Net: "unix", Name: sa.Name}, nil
	}
	return nil, errors.Join(err, errNotListening)
}
