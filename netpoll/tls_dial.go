//go:build linux

package netpoll

import (
	"crypto/tls"
	"errors"
	"io"
	"net/netip"
)

// DialTLS is Dial for a connection with TLS: h.OnOpen is called when the handshake
// is done, h.OnClose if the handshake or the attempt to connect failed. Both are bounded by
// Options.TLSTimeout. Options.TLSHandshakes bounds these handshakes, separately from those of
// listeners. config is as for tls.Client, without renegotiation, and must not change
// afterwards; it may be used for any number of connections.
func (e *Engine) DialTLS(from netip.Addr, to netip.AddrPort, config *tls.Config, h Handler) error {
	if config == nil || config.Renegotiation != tls.RenegotiateNever {
		return errors.New("netpoll: DialTLS needs a tls.Config without renegotiation")
	}
	return e.dial(from, to, &clientPreTLS{config: config, handler: h})
}

// DialTunnel is Dial, or DialTLS if config is not nil, through a proxy at the address to.
// When the connection to the proxy is established, open is called on a goroutine of its own. It
// must make the proxy connect to the target, and must not read bytes of the target. If it fails,
// h.OnClose gets its error. Options.TLSTimeout bounds its reads and writes, and everything
// until h.OnOpen. A tunnel takes one of the TLSHandshakes.
func (e *Engine) DialTunnel(from netip.Addr, to netip.AddrPort, open func(io.ReadWriter) error, config *tls.Config, h Handler) error {
	if config != nil && config.Renegotiation != tls.RenegotiateNever {
		return errors.New("netpoll: DialTunnel needs a tls.Config without renegotiation")
	}
	return e.dial(from, to, &clientPreTLS{config: config, open: open, handler: h})
}

func (e *Engine) dial(from netip.Addr, to netip.AddrPort, k *clientPreTLS) error {
	k.init(e, &e.clientHandshakes)
	if err := e.Dial(from, to, k); err != nil {
		return err
	}
	k.conn.SetDeadline(e.opts.TLSTimeout)
	return nil
}

// clientPreTLS is the Handler of a dialled connection before its TLS handshake.
type clientPreTLS struct {
	preTLS
	config  *tls.Config
	open    func(io.ReadWriter) error // see DialTunnel; or nil
	handler Handler
}

func (k *clientPreTLS) OnOpen() { k.OnData(nil) }

// OnData begins the handshake, if there is a place; else it is called again when there
// is one.
func (k *clientPreTLS) OnData([]byte) (used int) {
	if k.places.enter(&k.tlsWaiter) {
		if s := k.begin(); s != nil {
			go s.call(k.config, k.open, k.handler)
		}
	}
	return 0
}

func (k *clientPreTLS) OnClose(err error) {
	k.places.drop(&k.tlsWaiter)
	k.engine.tellClosed(k.handler, err)
}

// call is serve for a client: if it fails, h has OnClose only.
func (s *tlsHandshake) call(config *tls.Config, open func(io.ReadWriter) error, h Handler) {
	defer s.leave()
	err := s.reach(config, open)
	if err == nil {
		err = s.enter(h)
	}
	if err != nil {
		s.state.closeSocket()
		s.engine.tellClosed(h, err)
		s.state.lease.end() // Shutdown waits for OnClose
	}
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
