package wsproto

import (
	"crypto/tls"
	"net"
	"net/http"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// Listen binds addr and serves it in the background until Shutdown or Drain. addr is "host:port",
// where port 0 picks a free port, or a Unix socket, "unix:path". The result has the address that
// was bound. A server may listen at any number of addresses.
func (s *Server) Listen(addr string) (net.Addr, error) {
	return s.ListenOn(netpoll.Endpoint{Addr: addr})
}

// ListenOn is Listen for any kind of endpoint: one version of IP, a Unix socket with permissions,
// a socket that was inherited. An endpoint with TLS is for wss:// and https://; its Config is
// treated like [Server].TLSConfig.
func (s *Server) ListenOn(at netpoll.Endpoint) (net.Addr, error) {
	if at.TLS != nil {
		config, err := completeTLS(at.TLS.Config)
		if err != nil {
			return nil, err
		}
		at.TLS = &netpoll.TLS{Config: config, Answer: at.TLS.Answer}
		if at.TLS.Answer == nil {
			at.TLS.Answer = Refuse(http.StatusBadRequest, noTLS).encode(false)
		}
	}
	if err := s.begin(); err != nil {
		return nil, err
	}
	if s.closing() {
		return nil, ErrServerClosed
	}
	l, err := s.engine.ListenOn(at, s.accept)
	if err != nil {
		return nil, err
	}
	if s.closing() { // beginClosing may not have seen l
		l.Close()
		return nil, ErrServerClosed
	}
	return l.Addr(), nil
}

// ListenTLS is Listen for wss:// and https://, with TLS 1.2 and 1.3 and the
// certificate of the two files (PEM), which is loaded again when they change.
// Both may be empty if TLSConfig has a certificate.
func (s *Server) ListenTLS(addr, certFile, keyFile string) (net.Addr, error) {
	at := netpoll.Endpoint{Addr: addr, TLS: &netpoll.TLS{Config: s.TLSConfig.Clone()}}
	if certFile == "" && keyFile == "" {
		return s.ListenOn(at)
	}
	cert, err := LoadCertificate(certFile, keyFile, s.logger()) // before anything starts
	if err != nil {
		return nil, err
	}
	if at.TLS.Config == nil {
		at.TLS.Config = new(tls.Config)
	}
	at.TLS.Config.GetCertificate = cert.Get
	bound, err := s.ListenOn(at)
	if err == nil {
		s.files.add(cert)
	}
	return bound, err
}

// ListenAndServe listens on Addr and serves until Shutdown, which makes it return
// ErrServerClosed, or until the engine fails.
func (s *Server) ListenAndServe() error {
	addr := s.Addr
	setDefault(&addr, ":8080")
	if _, err := s.Listen(addr); err != nil {
		return err
	}
	return s.Wait()
}

// ListenAndServeTLS is ListenAndServe with ListenTLS; Addr is ":8443" if empty.
func (s *Server) ListenAndServeTLS(certFile, keyFile string) error {
	addr := s.Addr
	setDefault(&addr, ":8443")
	if _, err := s.ListenTLS(addr, certFile, keyFile); err != nil {
		return err
	}
	return s.Wait()
}

// ReloadCertificates loads the files of all calls of ListenTLS now, without waiting for the next
// handshake, so that the caller learns of an error. A certificate whose files are unusable remains
// in use, and the others are replaced. Open connections go on with what they have.
func (s *Server) ReloadCertificates() error { return s.files.reload() }
