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
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// shakes are the TLS handshakes of an engine, in one of both roles: if it calls
// itself, one does not take the other's place. crypto/tls cannot go on with a
// handshake where a read found nothing, so each has a goroutine until it is done.
type shakes struct {
	mu      sync.Mutex
	free    int       // places
	waiting list.List // of those who wait for one, *early
	running map[*shake]struct{}
	ended   bool
	failed  atomic.Int64
}

func (k *shakes) init(places int) { k.free, k.running = places, make(map[*shake]struct{}) }

// early is a connection before its TLS handshake, as far as both sides have it in
// common. It is embedded in its Handler.
type early struct {
	conn   Conn
	engine *Engine
	places *shakes
	until  time.Time
	// Guarded by places.mu.
	waiting *list.Element // for a place
	granted bool          // a place is kept for it
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
		g.places.leave()
		return nil
	}
	return &shake{engine: g.engine, places: g.places, fd: fd, until: g.until}
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

// enter reports whether g got a place. If not, g.conn.again is called when there is
// one.
func (k *shakes) enter(g *early) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case g.granted:
		g.granted = false
		return true
	case g.waiting == nil && k.free > 0:
		k.free--
		return true
	case g.waiting == nil:
		g.waiting = k.waiting.PushBack(g)
	}
	return false
}

// leave gives a place to the first who waits.
func (k *shakes) leave() {
	k.mu.Lock()
	first := k.waiting.Front()
	if first == nil {
		k.free++
		k.mu.Unlock()
		return
	}
	g := k.waiting.Remove(first).(*early)
	g.waiting, g.granted = nil, true
	k.mu.Unlock()
	g.conn.again()
}

// drop forgets g, which is closed.
func (k *shakes) drop(g *early) {
	k.mu.Lock()
	if g.waiting != nil {
		k.waiting.Remove(g.waiting)
		g.waiting = nil
	}
	granted := g.granted
	g.granted = false
	k.mu.Unlock()
	if granted {
		k.leave()
	}
}

// add reports whether s may begin: not when the engine shuts down.
func (k *shakes) add(s *shake) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.ended {
		k.running[s] = struct{}{}
	}
	return !k.ended
}

func (k *shakes) remove(s *shake) {
	k.mu.Lock()
	delete(k.running, s)
	k.mu.Unlock()
}

func (k *shakes) count() (running, failed int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return int64(len(k.running)), k.failed.Load()
}

func (k *shakes) fail(e *Engine, err error) {
	k.failed.Add(1)
	e.opts.Logger.Debug("TLS handshake failed", "error", err)
}

func (k *shakes) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = true
	for s := range k.running {
		_ = s.file.SetDeadline(time.Unix(1, 0))
	}
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
}

// serve gives the connection back to the engine, if the handshake succeeds.
func (s *shake) serve(config *tls.Config, hello []byte, accept func() Handler) {
	e := s.engine
	defer s.places.leave()
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
	defer s.places.leave()
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
		t = &secure{stream: s.file, early: early}
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
	defer s.places.remove(s)
	return f()
}
