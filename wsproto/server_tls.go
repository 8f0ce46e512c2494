package wsproto

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"

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

// completeTLS returns base with what the server needs.
func (s *Server) completeTLS(base *tls.Config) (*tls.Config, error) {
	if base == nil || len(base.Certificates) == 0 && base.GetCertificate == nil && base.GetConfigForClient == nil {
		return nil, errors.New("wsproto: TLS needs a certificate: give certFile and keyFile, or Server.TLSConfig")
	}
	c := base.Clone()
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS12
	}
	c.NextProtos = []string{"http/1.1"} // a WebSocket begins with HTTP/1.1 here
	if slices.Contains(base.NextProtos, acmeProtocol) {
		c.NextProtos = append(c.NextProtos, acmeProtocol)
	}
	return c, nil
}

// acmeProtocol is what a certificate authority negotiates to see that the server owns its name (RFC
// 8737). The handshake is all that there is to it.
const acmeProtocol = "acme-tls/1"

// TLS returns the state of the connection's TLS, or nil if it has none, or none that ends
// here.
func (r *Request) TLS() *tls.ConnectionState {
	if r.conn != nil {
		if s := r.conn.io.TLS(); s != nil || r.http == nil {
			return s
		}
	}
	return r.http.TLS
}

// TLS returns the state of the connection's TLS, or nil if it has none or is closed.
func (c *Conn) TLS() *tls.ConnectionState { return c.io.TLS() }

// foreignTLS reports whether the request came through TLS that cannot be taken over.
func foreignTLS(r *http.Request) bool {
	_, own := r.Context().Value(ownKey{}).(net.Conn)
	return r.TLS != nil && !own
}

// ownKey is the key, in the context of a request, of the connection that the engine has given
// to net/http.
type ownKey struct{}

const (
	foreignTLSReason = "a WebSocket cannot take over the TLS of this server; use Server.ListenAndServeTLS, or a proxy that terminates TLS"
	noTLS            = "this port speaks TLS: connect with wss:// or https://"
)
