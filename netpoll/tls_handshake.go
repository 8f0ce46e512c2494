//go:build linux

package netpoll

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// ErrTLSTimeout says that the TLS handshake took longer than Options.TLSTimeout.
var ErrTLSTimeout = errors.New("netpoll: the TLS handshake took too long")

// preTLS is what connections of both sides have in common before their TLS handshake. It is
// embedded in their Handlers.
type preTLS struct {
	tlsWaiter
	conn   Conn
	engine *Engine
	places *tlsHandshakes
}

func (g *preTLS) init(e *Engine, k *tlsHandshakes) {
	g.engine, g.places = e, k
	g.client, g.until = &g.conn, e.clock.Now().Add(e.opts.TLSTimeout)
}

// Conn implements Handler, like the next two.
func (g *preTLS) Conn() *Conn { return &g.conn }

func (g *preTLS) OnDeadline() { g.conn.Close(ErrTLSTimeout) }

func (g *preTLS) OnPanic(any) {}

// begin takes the connection out of the engine, for a handshake that has its place.
// It returns nil if the connection has begun to end.
func (g *preTLS) begin() *tlsHandshake {
	s, err := g.conn.leave((*Conn).mayHandOverLocked)
	if err != nil {
		g.places.leave(g.addr, false)
		return nil
	}
	return &tlsHandshake{
		tlsPlace: tlsPlace{addr: g.addr},
		engine:   g.engine,
		places:   g.places,
		state:    State{fd: s.fd, phase: live, addrs: s.addrs, lease: s.lease},
		until:    g.until,
	}
}

// abandon implements preHandler.
func (g *preTLS) abandon() { g.places.drop(&g.tlsWaiter) }

// tlsHandshake is a TLS handshake under way, of a connection between two stays in the
// engine.
type tlsHandshake struct {
	tlsPlace
	engine *Engine
	places *tlsHandshakes
	state  State // of its connection, which counts as open
	until  time.Time
}

func (s *tlsHandshake) leave() { s.places.leave(s.addr, s.evicted) }

// enter gives the connection to h in the engine.
func (s *tlsHandshake) enter(h Handler) error {
	if h == nil {
		return ErrClosed
	}
	if err := s.engine.enter(&s.state, h); err != nil {
		return err
	}
	h.Conn().notify(evRead) // no event tells of bytes that tls has read already
	return nil
}

// handshake does the handshake. hello has been read already.
func (s *tlsHandshake) handshake(role func(*tlsTransport) *tls.Conn, hello []byte) error {
	return s.block(func() error {
		t := &tlsTransport{stream: awaited{s.file, s}, hello: hello, addrs: s.state.addrs}
		t.tls = role(t)
		err := t.tls.HandshakeContext(context.Background())
		t.stream, s.state.tls = nil, t
		return err
	})
}

// block calls f with a duplicate of the descriptor in s.file, which the runtime polls
// meanwhile. The engine's descriptor is not affected.
func (s *tlsHandshake) block(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil { // in a callback of the tls.Config
			err = fmt.Errorf("panic: %v", v)
			s.engine.opts.Logger.Error("TLS configuration panicked", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	fd, err := unix.FcntlInt(uintptr(s.state.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	s.file = os.NewFile(uintptr(fd), "TLS handshake")
	defer s.file.Close()
	if err := s.file.SetDeadline(time.Now().Add(s.engine.clock.Until(s.until))); err != nil {
		return err
	}
	if !s.places.add(&s.tlsPlace) {
		return ErrShutdown
	}
	defer func() {
		if s.places.remove(&s.tlsPlace) && err != nil {
			err = ErrTLSShed
		}
	}()
	err = f()
	return err
}

// awaited is the socket of a handshake. It notes from when to when the client owes a
// flight.
type awaited struct {
	*os.File
	handshake *tlsHandshake
}

func (a awaited) Read(p []byte) (int, error) {
	a.handshake.places.awaits(&a.handshake.tlsPlace)
	return a.File.Read(p)
}

func (a awaited) Write(p []byte) (int, error) {
	a.handshake.places.answers(&a.handshake.tlsPlace)
	return a.File.Write(p)
}
