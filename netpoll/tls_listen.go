//go:build linux

package netpoll

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// ErrNoTLS says that the peer's first bytes were no TLS.
var ErrNoTLS = errors.New("netpoll: the client does not speak TLS")

// ErrTLSTimeout says that the TLS handshake took longer than Options.TLSTimeout.
var ErrTLSTimeout = errors.New("netpoll: the TLS handshake took too long")

// TLS says how a listener does TLS.
type TLS struct {
	// Config is as for tls.Server. It must not change afterwards.
	Config *tls.Config
	// Answer is what a client gets whose first bytes are no TLS, in plain, before
	// the connection is closed.
	Answer []byte
}

// ListenTLS is Listen for connections with TLS: accept is called, from several
// goroutines, when the handshake is done, and the handler reads and writes what
// is inside. Handshakes are bounded by Options.TLSHandshakes and TLSTimeout, and
// close_notify, from either side, is the end of a connection as Close, Finish and
// io.EOF describe it. The limit of Options.MaxPending is held against the bytes
// before they are encrypted; records make them about two percent more. A [Buffer]
// has to be encrypted for each connection, so nothing is shared.
func (e *Engine) ListenTLS(addr string, t TLS, accept func() Handler) (*Listener, error) {
	if t.Config == nil {
		return nil, errors.New("netpoll: ListenTLS needs a TLS.Config")
	}
	return e.Listen(addr, func() Handler {
		g := &serverPreTLS{preTLS: newPreTLS(e, &e.serverHandshakes), tls: &t, accept: accept}
		g.places.awaitHello(&g.preTLS)
		return g
	})
}

// serverPreTLS is the Handler of a connection before its TLS handshake. It waits for
// the whole ClientHello, then for a place among those who shake hands, and then
// takes the descriptor out of the engine: see tlsHandshake.
type serverPreTLS struct {
	preTLS
	tls    *TLS
	accept func() Handler
}

func (g *serverPreTLS) OnOpen() { g.conn.SetDeadline(time.Until(g.until)) }

func (g *serverPreTLS) OnData(data []byte) (used int) {
	if len(data) == 0 {
		return 0
	}
	if data[0] != recordHandshake {
		g.conn.Write(nil, g.tls.Answer)
		g.conn.Finish(ErrNoTLS, answerTimeout)
		return len(data)
	}
	// More than half of the buffer is not kept: crypto/tls may read the rest.
	if !wholeRecord(data) && len(data) <= g.engine.opts.ReadBuffer/2 {
		return 0
	}
	if !g.places.enter(&g.preTLS) {
		return 0
	}
	if s := g.begin(); s != nil {
		go s.serve(g.tls.Config, append([]byte(nil), data...), g.accept)
	}
	return len(data)
}

func (g *serverPreTLS) OnClose(err error) {
	g.places.drop(&g.preTLS)
	g.places.fail(g.engine, fmt.Errorf("before it began: %w", err))
}

const (
	recordHandshake = 22
	recordHeaderLen = 5
	answerTimeout   = time.Second
)

// wholeRecord reports whether p has all of the record that it begins with
// (RFC 8446, 5.1).
func wholeRecord(p []byte) bool {
	return len(p) >= recordHeaderLen && len(p)-recordHeaderLen >= int(p[3])<<8|int(p[4])
}
