//go:build linux

package netpoll

import (
	"crypto/tls"
	"errors"
	"io"
	"net/netip"
)

// DialTunnel is Dial, or DialTLS if config is not nil, through a proxy at the address to.
// When the connection to the proxy is there, open is called on a goroutine of its own, and
// has the proxy connect to the target: it must read nothing that is the target's. Its error
// is that of h.OnClose. Reads and writes wait as long as Options.TLSTimeout allows, which
// bounds all until h.OnOpen; a tunnel takes one of the TLSHandshakes.
func (e *Engine) DialTunnel(from netip.Addr, to netip.AddrPort, open func(io.ReadWriter) error, config *tls.Config, h Handler) error {
	if config != nil && config.Renegotiation != tls.RenegotiateNever {
		return errors.New("netpoll: DialTunnel needs a configuration without renegotiation")
	}
	return e.dial(from, to, &clientPreTLS{preTLS: newPreTLS(e, &e.clientHandshakes), config: config, open: open, handler: h})
}

// reach opens the tunnel, if there is one, and does the TLS handshake, if there is one.
func (s *tlsHandshake) reach(config *tls.Config, open func(io.ReadWriter) error) error {
	if open != nil {
		if err := s.block(func() error { return open(s.file) }); err != nil {
			return err
		}
	}
	if config == nil {
		return nil
	}
	return s.handshake(func(t *tlsTransport) *tls.Conn { return tls.Client(t, config) }, nil)
}
