package daemon

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// CheckTLS reports what is wrong with the flags -cert and -key.
func CheckTLS(cert, key string) error {
	switch {
	case cert != "" && key == "":
		return errors.New("-cert is given without -key; TLS needs both")
	case cert == "" && key != "":
		return errors.New("-key is given without -cert; TLS needs both")
	}
	return nil
}

// Listen has the server listen on what -addr says, with TLS if there are a certificate
// and a key. Its errors say what to do.
func Listen(s *wsproto.Server, addr, cert, key string) (net.Addr, error) {
	if cert != "" {
		// First, so that listenError is about the address and nothing else.
		if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
			return nil, fmt.Errorf("-cert %s with -key %s: %w", cert, key, err)
		}
		at, err := s.ListenTLS(addr, cert, key)
		return at, listenError(addr, err)
	}
	at, err := s.Listen(addr)
	return at, listenError(addr, err)
}

// listenError says what to do.
func listenError(addr string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is in use by another program; choose another with -addr host:port", addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listening on %s is not permitted; ports below 1024 need CAP_NET_BIND_SERVICE", addr)
	}
	return fmt.Errorf("cannot listen on %q: %w; -addr takes host:port", addr, err)
}

// HostPort returns the address that people are to use, where -addr says one and the
// server has got another: a host by its name, and the port that there really is.
func HostPort(addr string, at net.Addr) string {
	host, _, _ := net.SplitHostPort(addr)
	_, port, _ := net.SplitHostPort(at.String())
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
