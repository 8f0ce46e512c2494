//go:build linux

package netpoll

import (
	"container/list"
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// shakes are the TLS handshakes of an engine. crypto/tls cannot go on with one
// where a read found nothing, so each has a goroutine until it is done.
type shakes struct {
	mu      sync.Mutex
	free    int       // places
	waiting list.List // of greeters that wait for one
	running map[*shake]struct{}
	ended   bool
	failed  atomic.Int64
}

// enter reports whether g got a place. If not, g.conn.again is called when there is
// one.
func (k *shakes) enter(g *greeter) bool {
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
	g := k.waiting.Remove(first).(*greeter)
	g.waiting, g.granted = nil, true
	k.mu.Unlock()
	g.conn.again()
}

// drop forgets g, which is closed.
func (k *shakes) drop(g *greeter) {
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

// endHandshakes closes the connections that have not finished theirs.
func (e *Engine) endHandshakes() {
	k := &e.shakes
	k.mu.Lock()
	k.ended = true
	for s := range k.running {
		_ = s.file.SetDeadline(time.Unix(1, 0))
	}
	k.mu.Unlock()
	e.each(func(h Handler) {
		if g, early := h.(*greeter); early {
			g.conn.Close(ErrShutdown)
		}
	})
}

// shake is a TLS handshake under way. The engine counts its connection as open, but
// has it in no table.
type shake struct {
	engine *Engine
	fd     int
	until  time.Time
	file   *os.File // the socket, for the time of the handshake
}

// serve gives the connection back to the engine, if the handshake succeeds.
func (s *shake) serve(config *tls.Config, hello []byte, accept func() Handler) {
	e := s.engine
	defer e.shakes.leave()
	t, err := s.shakeHands(func(t *secure) *tls.Conn { return tls.Server(t, config) }, hello)
	if err == nil {
		err = s.attach(t, accept())
	} else {
		e.shakes.fail(e, err)
	}
	if err != nil {
		unix.Close(s.fd)
		e.refused.Add(1)
		e.open.Add(-1)
	}
}

// attach lets h have the connection.
func (s *shake) attach(t *secure, h Handler) error {
	if h == nil {
		return ErrClosed
	}
	t.conn = h.Conn()
	if err := s.engine.enroll(h, s.fd, live, &rare{tls: t}); err != nil {
		return err
	}
	t.conn.notify(evRead) // what tls has read already raises no event
	return nil
}

// shakeHands does the handshake on a duplicate of the descriptor, which the
// runtime polls meanwhile; the engine's own knows nothing of it.
func (s *shake) shakeHands(role func(*secure) *tls.Conn, early []byte) (t *secure, err error) {
	defer func() {
		if v := recover(); v != nil { // in a callback of the configuration
			err = fmt.Errorf("panic: %v", v)
			s.engine.opts.Logger.Error("TLS configuration panicked", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	fd, err := unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	s.file = os.NewFile(uintptr(fd), "TLS handshake")
	defer s.file.Close()
	if err := s.file.SetDeadline(s.until); err != nil {
		return nil, err
	}
	if !s.engine.shakes.add(s) {
		return nil, ErrShutdown
	}
	defer s.engine.shakes.remove(s)
	t = &secure{stream: s.file, early: early}
	t.tls = role(t)
	if err := t.tls.HandshakeContext(context.Background()); err != nil {
		return nil, err
	}
	t.stream = nil
	return t, nil
}
