package wsproto

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// ListenTLS is Listen for wss:// and https://, with TLS 1.2 and 1.3 and the
// certificate of the two files (PEM), which is loaded again when they change.
// Both may be empty if TLSConfig has a certificate.
func (s *Server) ListenTLS(addr, certFile, keyFile string) (net.Addr, error) {
	config, err := s.tlsConfig(certFile, keyFile) // before anything starts
	if err != nil {
		return nil, err
	}
	return s.listen(func() (*netpoll.Listener, error) {
		return s.engine.ListenTLS(addr, netpoll.TLS{Config: config, Answer: Refuse(http.StatusBadRequest, noTLS).encode(false)}, s.acceptTLS)
	})
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

func (s *Server) tlsConfig(certFile, keyFile string) (*tls.Config, error) {
	c := s.TLSConfig.Clone()
	if c == nil {
		c = new(tls.Config)
	}
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS12
	}
	c.NextProtos = []string{"http/1.1"} // a WebSocket begins with HTTP/1.1 here
	if certFile != "" || keyFile != "" {
		cert, err := loadCertificate(certFile, keyFile, s.logger())
		if err != nil {
			return nil, err
		}
		c.GetCertificate = cert.Get
	} else if len(c.Certificates) == 0 && c.GetCertificate == nil && c.GetConfigForClient == nil {
		return nil, errors.New("wsproto: TLS needs a certificate: give certFile and keyFile, or Server.TLSConfig")
	}
	return c, nil
}

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
