//go:build linux

package netpoll

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

// ErrTLSTimeout says that the TLS handshake took longer than Options.TLSTimeout.
var ErrTLSTimeout = errors.New("netpoll: the TLS handshake took too long")

// preTLS is what connections of both sides have in common until their TLS handshake is done. It is
// embedded in their Handlers.
type preTLS struct {
	tlsWaiter
	conn      Conn
	engine    *Engine
	places    *tlsHandshakes
	handshake *tlsHandshake // nil until it begins; of turns alone
}

func (g *preTLS) init(e *Engine, k *tlsHandshakes) {
	g.engine, g.places = e, k
	g.client, g.until = &g.conn, e.clock.Now().Add(e.opts.TLSTimeout)
}

// Conn implements Handler, like the next two.
func (g *preTLS) Conn() *Conn { return &g.conn }

func (g *preTLS) OnDeadline() { g.conn.Close(ErrTLSTimeout) }

func (g *preTLS) OnPanic(any) {}

// abandon implements preHandler.
func (g *preTLS) abandon() { g.places.drop(&g.tlsWaiter) }

// begin begins the handshake of a connection that has its place: do does it, on a goroutine, with
// the bytes that have been read already, and settle gets the result there.
func (g *preTLS) begin(read []byte, do func(*tlsHandshake) error, settle func(err error, closed bool)) {
	s := &tlsHandshake{
		tlsPlace: tlsPlace{client: &g.conn, addr: g.addr},
		engine:   g.engine, places: g.places, conn: &g.conn,
		input: append([]byte(nil), read...), more: make(chan struct{}, 1),
	}
	if a, told := g.conn.toldAddrs(); told {
		s.addrs = &a
	}
	if !g.places.add(&s.tlsPlace) {
		g.places.leave(g.addr, false)
		g.conn.Close(ErrShutdown)
		return
	}
	g.handshake = s
	go s.run(do, settle)
}

// goOn is OnData once the handshake has begun. If that has succeeded, it takes the
// connection out of the engine and returns its State.
func (g *preTLS) goOn(data []byte) (used int, s *State) {
	h := g.handshake
	used, over := h.take(data)
	if !over {
		return used, nil
	}
	if h.err != nil {
		g.conn.Close(h.err)
		return len(data), nil
	}
	left := append(h.input, data...)
	if h.transport == nil && len(left) > g.engine.opts.ReadBuffer {
		g.conn.Close(ErrTail)
		return len(data), nil
	}
	state, err := g.conn.leave((*Conn).mayHandOverLocked)
	if err != nil { // it has begun to end
		return len(data), nil
	}
	state.held = 0 // the call of Again was for g
	if t := h.transport; t != nil {
		t.stream, t.hello = nil, left
		state.tls = t
	} else {
		state.input = left
	}
	return len(data), &state
}

// enter gives the connection, whose handshake is done, to h in the engine.
func (g *preTLS) enter(s *State, h Handler) error {
	if h == nil {
		return ErrClosed
	}
	if err := g.engine.enter(s, h); err != nil {
		return err
	}
	h.Conn().notify(evRead) // no event tells of bytes that were read already
	return nil
}

// tlsHandshake is a TLS handshake under way, and the stream that its tls.Conn reads and writes. The
// connection stays in its loop: its turns bring what tls.Conn reads, and take note of the result.
type tlsHandshake struct {
	tlsPlace
	engine    *Engine
	places    *tlsHandshakes
	conn      *Conn // of a preTLS
	addrs     *addrs
	transport *tlsTransport // nil until tls.Conn has it, or without TLS; of the handshake's goroutine until over

	mu    sync.Mutex
	input []byte        // not read yet
	more  chan struct{} // gets a value when input or cause changes
	held  bool          // the connection is, until input is read
	cause error         // why the connection has ended; nil while it has not
	over  bool          // err is the result
	err   error
}

// take gives the handshake what its connection has read, if there is room, and reports whether the
// handshake is over.
func (s *tlsHandshake) take(data []byte) (used int, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.over:
		return 0, true
	case len(data) == 0:
	case len(s.input) > 0 && len(s.input)+len(data) > s.engine.opts.ReadBuffer/2:
		s.held = true
		s.conn.Hold()
	default:
		s.input = append(s.input, data...)
		s.wake()
		return len(data), false
	}
	return 0, false
}

// end tells the handshake that its connection has ended, and reports whether it was over.
func (s *tlsHandshake) end(cause error) (over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cause = cause
	s.wake()
	return s.over
}

func (s *tlsHandshake) wake() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// run does the handshake. settle gets its result before the place is free, and whether the connection has
// ended; else a turn takes the result up.
func (s *tlsHandshake) run(do func(*tlsHandshake) error, settle func(err error, closed bool)) {
	err := s.try(do)
	if s.places.remove(&s.tlsPlace) && err != nil {
		err = ErrTLSShed
	}
	err, closed := s.finish(err)
	settle(err, closed)
	s.places.leave(s.addr, s.evicted)
	if !closed {
		s.conn.Again()
	}
}

// finish notes that the handshake is over.
func (s *tlsHandshake) finish(err error) (result error, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil && s.cause != io.EOF && err != nil {
		err = s.cause // and not what tls made of it
	}
	s.over, s.err = true, err
	if s.held {
		s.held = false
		s.conn.Resume()
	}
	return err, s.cause != nil
}

func (s *tlsHandshake) try(do func(*tlsHandshake) error) (err error) {
	defer func() {
		if v := recover(); v != nil { // in a callback of the tls.Config
			err = fmt.Errorf("panic: %v", v)
			s.engine.opts.Logger.Error("TLS configuration panicked", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	return do(s)
}

// shake does the TLS handshake in the role.
func (s *tlsHandshake) shake(role func(*tlsTransport) *tls.Conn) error {
	t := &tlsTransport{stream: s, addrs: s.addrs}
	t.tls = role(t)
	s.transport = t
	return t.tls.HandshakeContext(context.Background())
}

// Read waits for input, unless there is some.
func (s *tlsHandshake) Read(p []byte) (int, error) {
	for {
		if n, err := s.next(p); n > 0 || err != nil {
			return n, err
		}
		s.places.awaits(&s.tlsPlace)
		<-s.more
	}
}

func (s *tlsHandshake) next(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.input) == 0 {
		return 0, s.cause
	}
	n = take(&s.input, p)
	if s.held && len(s.input) == 0 {
		s.held = false
		s.conn.Resume()
	}
	return n, nil
}

// Write sends p. It does not block: a handshake is much smaller than Options.MaxPending.
func (s *tlsHandshake) Write(p []byte) (int, error) {
	s.places.answers(&s.tlsPlace)
	switch s.conn.Write(nil, p) {
	case Full:
		return 0, ErrPending
	case Closed:
		return 0, s.awaitCause()
	}
	return len(p), nil
}

// awaitCause returns why the connection has ended, which a turn will tell.
func (s *tlsHandshake) awaitCause() error {
	for {
		s.mu.Lock()
		cause := s.cause
		s.mu.Unlock()
		if cause != nil {
			return cause
		}
		<-s.more
	}
}

// Close implements stream, like the next five. The engine closes the connection, and its deadline is the
// engine's.
func (s *tlsHandshake) Close() error { return nil }

func (s *tlsHandshake) SetDeadline(time.Time) error { return nil }

func (s *tlsHandshake) SetReadDeadline(time.Time) error { return nil }

func (s *tlsHandshake) SetWriteDeadline(time.Time) error { return nil }

func (s *tlsHandshake) SyscallConn() (syscall.RawConn, error) { return shakingConn{s.conn}, nil }

// shakingConn is the descriptor of a connection during its handshake.
type shakingConn struct{ conn *Conn }

// Control calls f with the descriptor, unless it is closed.
func (r shakingConn) Control(f func(fd uintptr)) error {
	r.conn.mu.Lock()
	defer r.conn.mu.Unlock()
	if r.conn.fd < 0 {
		return ErrClosed
	}
	f(uintptr(r.conn.fd))
	return nil
}

func (shakingConn) Read(func(uintptr) bool) error { return errors.ErrUnsupported }

func (shakingConn) Write(func(uintptr) bool) error { return errors.ErrUnsupported }
