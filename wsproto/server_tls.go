package wsproto

import (
	"crypto/tls"
	"net"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// ListenTLS is Listen for wss:// and https://, with TLS 1.2 and 1.3 and the
// certificate of the two files (PEM), which is loaded again when they change.
// Both may be empty if TLSConfig has a certificate.
func (s *Server) ListenTLS(addr, certFile, keyFile string) (net.Addr, error) {
	config := s.TLSConfig.Clone()
	if certFile != "" || keyFile != "" {
		cert, err := LoadCertificate(certFile, keyFile, s.logger()) // before anything starts
		if err != nil {
			return nil, err
		}
		if config == nil {
			config = new(tls.Config)
		}
		config.GetCertificate = cert.Get
		s.files.add(cert)
	}
	return s.ListenOn(netpoll.Endpoint{Addr: addr, TLS: &netpoll.TLS{Config: config}})
}

// ReloadCertificates loads the files of all calls of ListenTLS now, without waiting for the next
// handshake, so that the caller learns of an error. A certificate whose files are unusable remains
// in use, and the others are replaced. Open connections go on with what they have.
func (s *Server) ReloadCertificates() error { return s.files.reload() }

// ListenAndServeTLS is ListenAndServe with ListenTLS; Addr is ":8443" if empty.
func (s *Server) ListenAndServeTLS(certFile, keyFile string) error {
	addr := s.Addr
	setDefault(&addr, ":8443")
	if _, err := s.ListenTLS(addr, certFile, keyFile); err != nil {
		return err
	}
	return s.Wait()
}
