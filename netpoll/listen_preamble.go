//go:build linux

package netpoll

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"
)

// ErrPreamble says that a connection of a proxy did not begin with a valid preamble: see Options.Preamble.
var ErrPreamble = errors.New("netpoll: the connection has no valid preamble, though its peer is a proxy that must send one")

// Preamble is for proxies in front that tell the address of the client in the first bytes of each connection, before TLS, as
// in the PROXY protocol of HAProxy. Every connection of such a peer must have a preamble; it is refused without one. The
// first bytes of other peers are not looked at. The addresses of the preamble take the place of the connection's own in
// all that the engine does.
type Preamble struct {
	// From reports whether the peer at addr sends preambles. addr is the zero Addr for a Unix socket. From must be true
	// for trusted proxies only, since anybody else could pretend to be any client. It is called for each connection
	// on a listener's goroutine, and must not wait.
	From func(addr netip.Addr) bool
	// Parse looks at the first bytes of a connection and returns the length of the preamble that they begin with; 0 if
	// more bytes are needed. The addresses are those of the client and of the server that it has connected to. If the
	// client's is not valid, the connection is the proxy's own, such as a health check, and keeps its addresses. Parse is
	// called on a worker, several times for a preamble that comes in pieces. It must not keep first, and must not wait.
	Parse func(first []byte) (length int, client, server netip.AddrPort, err error)
	// Max bounds the length of a preamble in bytes; if 0, 4 KiB, or half of Options.ReadBuffer if that is less.
	Max int
}

func (p *Preamble) most(o Options) int {
	most := min(4<<10, o.ReadBuffer/2)
	if p.Max > 0 {
		most = min(most, p.Max)
	}
	return most
}

// prePreamble is the Handler of an accepted connection whose preamble has yet to come. Options.TLSTimeout bounds that. Then
// the connection leaves the engine and enters it again with the Handler that accept returns.
type prePreamble struct {
	conn   Conn
	engine *Engine
	accept func() Handler
	proxy  netip.Addr
	until  time.Time
	some   bool // bytes have come
}

func newPrePreamble(e *Engine, proxy netip.Addr, accept func() Handler) *prePreamble {
	return &prePreamble{engine: e, accept: accept, proxy: proxy, until: e.clock.Now().Add(e.opts.TLSTimeout)}
}

func (g *prePreamble) Conn() *Conn { return &g.conn }

func (g *prePreamble) OnOpen() {
	g.conn.SetDeadline(max(g.engine.clock.Until(g.until), time.Millisecond))
}

func (g *prePreamble) OnDeadline() { g.refuse(os.ErrDeadlineExceeded) }

func (g *prePreamble) OnPanic(any) {}

func (g *prePreamble) abandon() {}

func (g *prePreamble) OnData(first []byte) (used int) {
	g.some = g.some || len(first) > 0
	p := g.engine.opts.Preamble
	most := p.most(g.engine.opts)
	length, client, server, err := p.Parse(first[:min(len(first), most)])
	switch {
	case err != nil:
		g.refuse(err)
	case length < 0 || length > min(len(first), most):
		g.refuse(fmt.Errorf("Preamble.Parse returned the length %d for %d bytes", length, len(first)))
	case length > 0:
		g.admit(first[length:], client, server)
	case len(first) >= most:
		g.refuse(fmt.Errorf("it is longer than %d bytes", most))
	default:
		return 0
	}
	return len(first)
}

// admit gives the connection to its Handler.
func (g *prePreamble) admit(rest []byte, client, server netip.AddrPort) {
	e := g.engine
	var key netip.Addr
	var a *addrs
	if client.IsValid() {
		a = &addrs{remote: client, local: server}
		key = e.admission.ownerKey(client.Addr())
	}
	owner, ok := e.admission.own(key)
	if !ok {
		e.tellFullAddr(key)
		e.admission.refused.Add(1)
		g.conn.Close(ErrClosed)
		return
	}
	h := g.accept()
	s, err := g.conn.leave((*Conn).mayHandOverLocked)
	if err != nil { // it has begun to end
		e.admission.forget(owner)
		if p, before := h.(preHandler); before {
			p.abandon()
		}
		return
	}
	s.lease.owner = owner
	if e.receive(State{fd: s.fd, phase: live, input: append([]byte(nil), rest...), addrs: a, lease: s.lease}, h) {
		h.Conn().notify(evRead) // no event tells of the rest
	}
}

func (g *prePreamble) refuse(err error) { g.conn.Close(fmt.Errorf("%w: %w", ErrPreamble, err)) }

// OnClose counts and logs what was refused, but not a connection without a byte: load balancers connect like that to find
// out whether the server runs.
func (g *prePreamble) OnClose(err error) {
	if !errors.Is(err, ErrPreamble) && !(g.some && err == io.EOF) {
		return
	}
	e := g.engine
	e.admission.refused.Add(1)
	e.admission.refusedPreamble.Add(1)
	e.noPreambles.Warn(e.opts.Logger, "refused a connection of a trusted proxy, because it does not begin with a valid preamble",
		"proxy", g.proxy, "error", err, "allow", "have the proxy send the PROXY protocol, or do not expect it from this address")
}

// IsLocal reports whether addr is a loopback address, or that of a Unix socket, which is the zero Addr: see
// Options.ExemptAddr.
func IsLocal(addr netip.Addr) bool { return !addr.IsValid() || addr.Unmap().IsLoopback() }
