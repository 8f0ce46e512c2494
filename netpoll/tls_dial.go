//go:build linux

package netpoll

import (
	"cmp"
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
func (k *clientPreTLS) OnData(data []byte) (used int) {
	if k.handshake == nil {
		if !k.places.enter(&k.tlsWaiter) {
			return 0
		}
		k.begin(data, k.reach, k.settle)
		return len(data)
	}
	used, s := k.goOn(data)
	if s == nil {
		return used
	}
	if err := k.enter(s, k.handler); err != nil {
		s.closeSocket()
		k.engine.tellClosed(k.handler, err)
		s.lease.end() // Shutdown waits for OnClose
	}
	return used
}

// settle tells the Handler that the connection has ended, if OnClose left that to the handshake, which may
// know better why.
func (k *clientPreTLS) settle(err error, closed bool) {
	if closed {
		k.engine.tellClosed(k.handler, cmp.Or(err, k.handshake.cause))
	}
}

func (k *clientPreTLS) OnClose(err error) {
	switch s := k.handshake; {
	case s == nil:
		k.places.drop(&k.tlsWaiter)
		k.engine.tellClosed(k.handler, err)
	case s.end(err):
		k.engine.tellClosed(k.handler, cmp.Or(s.err, err))
	}
}

// reach opens the tunnel, if there is one, and does the TLS handshake, if there is one.
func (k *clientPreTLS) reach(s *tlsHandshake) error {
	if k.open != nil {
		if err := k.open(s); err != nil {
			return err
		}
	}
	if k.config == nil {
		return nil
	}
	return s.shake(func(t *tlsTransport) *tls.Conn { return tls.Client(t, k.config) })
}
