package wsproto

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"sync"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// clientEngine is the engine of clients that have none.
var clientEngine sharedEngine

// sharedEngine runs while it has connections, so that a process which has closed them all has
// no goroutine or descriptor left over.
type sharedEngine struct {
	mu     sync.Mutex
	engine *netpoll.Engine
	conns  int
}

// take returns the engine for one more connection.
func (s *sharedEngine) take() (*netpoll.Engine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.engine == nil {
		e, err := netpoll.New(netpoll.Options{Loops: 1, MaxPending: 64 << 20})
		if err != nil {
			return nil, fmt.Errorf("wsproto: the engine that clients share cannot start: %w", err)
		}
		s.engine = e
	}
	s.conns++
	return s.engine, nil
}

// release is called when a connection has ended. The engine ends with the last one, on a
// goroutine, since it waits for the worker that calls.
func (s *sharedEngine) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns--; s.conns == 0 {
		e := s.engine
		s.engine = nil
		go func() { _ = e.Shutdown(context.Background()) }()
	}
}

// attempt begins to connect c to one address.
func (k *Client) attempt(c *Conn, d *dial, at netip.AddrPort) error {
	if err := k.connect(c, d, at); err != nil {
		return err
	}
	if d.target.TLS || d.target.proxy != nil { // the engine has a deadline for that; startDial sets the handshake's
		return nil
	}
	c.io.SetDeadline(k.HandshakeTimeout) // this bounds connecting, too
	if c.flags.Load()&flagOpen != 0 {    // it is open already
		c.armFirst()
	}
	return nil
}

func (k *Client) connect(c *Conn, d *dial, at netip.AddrPort) (err error) {
	if !at.IsValid() {
		return errNoAddress
	}
	engine := k.Engine
	if engine == nil {
		if engine, err = clientEngine.take(); err != nil {
			return err
		}
	}
	var config *tls.Config
	if d.target.TLS {
		config = k.tlsFor(d.target.Host)
	}
	switch h := (*handle)(c); {
	case d.target.proxy != nil:
		err = engine.DialTunnel(d.from, at, d.target.openTunnel, config, h)
	case config != nil:
		err = engine.DialTLS(d.from, at, config, h)
	default:
		err = engine.Dial(d.from, at, h)
	}
	if err != nil && k.Engine == nil {
		clientEngine.release() // otherwise OnClose releases it
	}
	return err
}
