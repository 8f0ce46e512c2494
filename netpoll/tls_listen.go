//go:build linux

package netpoll

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// ErrNoTLS says that the client's first bytes were not TLS.
var ErrNoTLS = errors.New("netpoll: the client does not speak TLS")

// acceptTLS returns the accept function of a listener that does TLS before it calls accept.
func (e *Engine) acceptTLS(t TLS, accept func() Handler) func() Handler {
	return func() Handler {
		g := &serverPreTLS{tls: &t, accept: accept}
		g.init(e, &e.serverHandshakes)
		g.places.awaitHello(&g.tlsWaiter)
		return g
	}
}

// serverPreTLS is the Handler of an accepted connection before its TLS handshake. It waits for
// the whole ClientHello, then for a place among the handshakes, and then
// for the handshake: see tlsHandshake.
type serverPreTLS struct {
	preTLS
	tls    *TLS
	accept func() Handler
}

func (g *serverPreTLS) OnOpen() {}

// FirstDeadline implements Patient.
func (g *serverPreTLS) FirstDeadline() time.Duration {
	return g.engine.clock.Left(g.until)
}

func (g *serverPreTLS) OnData(data []byte) (used int) {
	if g.handshake != nil {
		used, s := g.goOn(data)
		if s != nil {
			g.finish(s)
		}
		return used
	}
	if len(data) == 0 {
		return 0
	}
	if data[0] != recordHandshake {
		g.conn.Write(nil, g.tls.Answer)
		g.conn.Finish(ErrNoTLS, answerTimeout)
		return len(data)
	}
	// The engine keeps at most half of the buffer: beyond that crypto/tls reads the rest.
	if !wholeRecord(data) && len(data) <= g.engine.opts.ReadBuffer/2 {
		return 0
	}
	if !g.places.enter(&g.tlsWaiter) {
		return 0
	}
	g.begin(data, g.shake, g.settle)
	return len(data)
}

func (g *serverPreTLS) shake(s *tlsHandshake) error {
	return s.shake(func(t *tlsTransport) *tls.Conn { return tls.Server(t, g.tls.Config) })
}

// settle counts the result of the handshake.
func (g *serverPreTLS) settle(err error, _ bool) {
	if err == nil {
		g.places.done.Add(1)
		return
	}
	g.places.fail(g.engine.opts.Logger, err)
	g.engine.admission.refused.Add(1)
}

// finish lets the connection, whose handshake is done, enter the engine.
func (g *serverPreTLS) finish(s *State) {
	entered := false
	defer func() {
		if !entered { // also if the program panics
			g.engine.admission.refused.Add(1)
			s.close()
		}
	}()
	entered = g.enter(s, g.accept()) == nil
}

func (g *serverPreTLS) OnClose(err error) {
	if s := g.handshake; s != nil {
		if s.end(err) && s.err == nil {
			g.engine.admission.refused.Add(1)
		}
		return
	}
	g.places.drop(&g.tlsWaiter)
	g.places.fail(g.engine.opts.Logger, fmt.Errorf("before it began: %w", err))
}

const (
	recordHandshake = 22
	recordHeaderLen = 5
	answerTimeout   = time.Second
)

// wholeRecord reports whether p contains the whole record that it begins with
// (RFC 8446, 5.1).
func wholeRecord(p []byte) bool {
	return len(p) >= recordHeaderLen && len(p)-recordHeaderLen >= int(p[3])<<8|int(p[4])
}
