package daemon

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// CheckTLS returns an error if only one of the flags -cert and -key is given.
func CheckTLS(cert, key string) error {
	switch {
	case cert != "" && key == "":
		return errors.New("-cert is given without -key; TLS needs both")
	case cert == "" && key != "":
		return errors.New("-key is given without -cert; TLS needs both")
	}
	return nil
}

// Listen makes the server listen on the address of -addr, with TLS if cert is not empty. Its errors say what to change.
func Listen(s *wsproto.Server, addr, cert, key string) (net.Addr, error) {
	if cert != "" {
		// The certificate is read first, so that an error of ListenTLS can only be about the address.
		if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
			return nil, fmt.Errorf("-cert %s with -key %s: %w", cert, key, err)
		}
		at, err := s.ListenTLS(addr, cert, key)
		return at, ListenError(addr, err)
	}
	at, err := s.Listen(addr)
	return at, ListenError(addr, err)
}

// ListenError adds to an error what the operator can do. It returns nil for nil.
func ListenError(addr string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("address %s is in use by another program; choose another one with -addr host:port", addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listening on %s is not permitted; ports below 1024 need the capability CAP_NET_BIND_SERVICE", addr)
	}
	return fmt.Errorf("cannot listen on %q: %w; -addr must have the form host:port", addr, err)
}

// HostPort returns the address that clients on this machine can use: the host of -addr, by name if it has one, and the
// port on which the server listens.
func HostPort(addr string, at net.Addr) string {
	host, _, _ := net.SplitHostPort(addr)
	_, port, _ := net.SplitHostPort(at.String())
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
