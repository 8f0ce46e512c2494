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

func (g *prePreamble) OnOpen() {}

// FirstDeadline implements Patient.
func (g *prePreamble) FirstDeadline() time.Duration {
	return g.engine.clock.Left(g.until)
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
	s, err := g.conn.leave((*Conn).mayHandOverLocked)
	if err != nil { // it has begun to end
		return
	}
	owner, ok := e.admission.own(key)
	if !ok {
		e.tellFullAddr(key)
		e.admission.refused.Add(1)
		s.Close()
		return
	}
	s.lease.owner = owner
	g.enter(State{fd: s.fd, phase: live, input: append([]byte(nil), rest...), addrs: a, lease: s.lease})
}

// enter has the connection, which has left, enter with its Handler.
func (g *prePreamble) enter(s State) {
	returned := false
	defer func() {
		if !returned { // a panic of the program
			s.Close()
		}
	}()
	h := g.accept()
	returned = true
	if g.engine.receive(s, h) {
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
