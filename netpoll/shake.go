//go:build linux

package netpoll

import (
	"container/list"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// early is a connection before its TLS handshake, as far as both sides have it in
// common. It is embedded in its Handler.
type early struct {
	conn   Conn
	engine *Engine
	places *shakes
	until  time.Time
	shaker *shaker // nil before enter
	// Guarded by places.mu.
	greeting *list.Element // in shakes.greeting
	waiting  *list.Element // for a place
	granted  bool          // a place is kept for it
}

func newEarly(e *Engine, k *shakes) early {
	return early{engine: e, places: k, until: time.Now().Add(e.opts.TLSTimeout)}
}

// Conn is of the Handler interface, like the next two.
func (g *early) Conn() *Conn { return &g.conn }

func (g *early) OnDeadline() { g.conn.Close(ErrTLSTimeout) }

func (g *early) OnPanic(any) {}

// begin takes the descriptor out of the engine, for a handshake that has its place.
// It returns nil if the connection has begun to end.
func (g *early) begin() *shake {
	fd, ok := g.conn.release()
	if !ok {
		g.places.leave(g.shaker, false)
		return nil
	}
	return &shake{engine: g.engine, places: g.places, shaker: g.shaker, fd: fd, until: g.until}
}

// earlyOf returns what h has embedded, or nil.
func earlyOf(h Handler) *early {
	switch h := h.(type) {
	case *greeter:
		return &h.early
	case *outgoing:
		return &h.early
	}
	return nil
}

// endHandshakes closes the connections that have not finished theirs.
func (e *Engine) endHandshakes() {
	e.greets.end()
	e.calls.end()
	e.each(func(h Handler) {
		if g := earlyOf(h); g != nil {
			g.conn.Close(ErrShutdown)
		}
	})
}

// shake is a TLS handshake under way. The engine counts its connection as open, but
// has it in no table.
type shake struct {
	engine *Engine
	places *shakes
	fd     int
	until  time.Time
	file   *os.File // the socket, for the time of the handshake
	shaker *shaker
	// Guarded by places.mu.
	silent  *list.Element // in shaker.silent
	since   time.Time
	evicted bool
}

// serve gives the connection back to the engine, if the handshake succeeds.
func (s *shake) serve(config *tls.Config, hello []byte, accept func() Handler) {
	e := s.engine
	defer s.leave()
	t, err := s.shakeHands(func(t *secure) *tls.Conn { return tls.Server(t, config) }, hello)
	if err == nil {
		err = s.attach(t, accept())
	} else {
		s.places.fail(e, err)
	}
	if err != nil {
		e.drop(s.fd)
		e.admission.refused.Add(1)
		e.open.Add(-1)
	}
}

// call is serve for the side that connects: h has OnClose only if it fails.
func (s *shake) call(config *tls.Config, open func(io.ReadWriter) error, h Handler) {
	e := s.engine
	defer s.leave()
	t, err := s.reach(config, open)
	if err == nil {
		err = s.attach(t, h)
	}
	if err != nil {
		e.drop(s.fd)
		e.tellClosed(h, err)
		e.open.Add(-1)
	}
}

func (s *shake) leave() { s.places.leave(s.shaker, s.evicted) }

// attach lets h have the connection.
func (s *shake) attach(t *secure, h Handler) error {
	if h == nil {
		return ErrClosed
	}
	var r *rare
	if t != nil {
		t.conn = h.Conn()
		r = &rare{tls: t}
	}
	if err := s.engine.enroll(h, s.fd, live, r); err != nil {
		return err
	}
	h.Conn().notify(evRead) // what tls has read already raises no event
	return nil
}

// shakeHands does the handshake.
func (s *shake) shakeHands(role func(*secure) *tls.Conn, early []byte) (t *secure, err error) {
	err = s.block(func() error {
		t = &secure{stream: awaited{s.file, s}, early: early}
		t.tls = role(t)
		return t.tls.HandshakeContext(context.Background())
	})
	if err != nil {
		return nil, err
	}
	t.stream = nil
	return t, nil
}

// block calls f with a duplicate of the descriptor in s.file, which the runtime polls
// meanwhile; the engine's own knows nothing of it.
func (s *shake) block(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil { // in a callback of the configuration
			err = fmt.Errorf("panic: %v", v)
			s.engine.opts.Logger.Error("TLS configuration panicked", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	fd, err := unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	s.file = os.NewFile(uintptr(fd), "TLS handshake")
	defer s.file.Close()
	if err := s.file.SetDeadline(s.until); err != nil {
		return err
	}
	if !s.places.add(s) {
		return ErrShutdown
	}
	defer func() {
		if s.places.remove(s) && err != nil {
			s.places.shed.Add(1)
			err = ErrTLSShed
		}
	}()
	err = f()
	return err
}

// awaited is the socket of a handshake, which notes from when to when the client owes a
// flight.
type awaited struct {
	*os.File
	shake *shake
}

func (a awaited) Read(p []byte) (int, error) {
	a.shake.places.awaits(a.shake)
	return a.File.Read(p)
}

func (a awaited) Write(p []byte) (int, error) {
	a.shake.places.answers(a.shake)
	return a.File.Write(p)
}
