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
	config, err := s.tlsConfig(certFile, keyFile) // before anything is started
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
	c.NextProtos = []string{"http/1.1"} // a WebSocket begins with nothing else here
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

// TLS returns what was agreed on with the client, nil if the connection has no
// TLS, at least none that ends here.
func (r *Request) TLS() *tls.ConnectionState {
	if r.conn != nil {
		if s := r.conn.io.TLS(); s != nil || r.http == nil {
			return s
		}
	}
	return r.http.TLS
}

// TLS returns what was agreed on with the peer, nil if the connection has no TLS
// or is closed.
func (c *Conn) TLS() *tls.ConnectionState { return c.io.TLS() }

// foreignTLS reports whether the request came through a TLS that cannot be taken
// over.
func foreignTLS(r *http.Request) bool {
	_, own := r.Context().Value(ownKey{}).(net.Conn)
	return r.TLS != nil && !own
}

// ownKey finds, in the context of a request, the connection that came to net/http
// from the engine.
type ownKey struct{}

const (
	foreignTLSReason = "this server's TLS cannot be taken over for a WebSocket; use Server.ListenAndServeTLS, or a proxy that terminates TLS"
	noTLS            = "this port speaks TLS: connect with wss:// or https://"
)
