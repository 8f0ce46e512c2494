package wsproto

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

	"github.com/fanfare-ws/fanfare/netpoll"
)

var defaultClient Client

// Dial connects to a ws:// or wss:// URL with a [Client] that has all defaults: see
// [Client.Dial].
func Dial(ctx context.Context, rawURL string, h Handler) (*Conn, error) {
	return defaultClient.Dial(ctx, rawURL, h)
}

// Dial connects to a ws:// or wss:// URL and waits until the connection is open and h.OnOpen
// has returned. ctx bounds that, as HandshakeTimeout does, and nothing after it:
// the connection lives until one side closes it. The error says what failed, for
// an answer that is no WebSocket's as a [HandshakeError]; if ctx is done first, it
// wraps ctx's cause, and OnClose may be called, if OnOpen was. h may be nil for a
// connection that only sends. Within a Handler, Dial keeps a worker while it waits.
func (k *Client) Dial(ctx context.Context, rawURL string, h Handler) (*Conn, error) {
	target, err := ParseTarget(ctx, rawURL)
	if err != nil {
		return nil, err
	}
	if h == nil {
		h = new(Funcs)
	}
	done := make(chan error, 1) // there is one result, and perhaps nobody waits for it
	d := &dial{
		target: target,
		failed: func(err error) { done <- err },
		opened: func() { done <- nil },
	}
	c, err := k.start(netip.Addr{}, h, d)
	if err != nil {
		return nil, err
	}
	select {
	case err = <-done:
	case <-ctx.Done():
		err = &HandshakeError{Reason: "given up", Err: context.Cause(ctx)}
		d.givenUp.Store(true)
		c.io.Close(err)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// shared is the engine of the clients that have none.
var shared sharedEngine

// sharedEngine runs while there are connections on it, so that a process which has
// closed them all has no goroutine or descriptor left over.
type sharedEngine struct {
	mu     sync.Mutex
	engine *netpoll.Engine
	conns  int
}

// take returns the engine for one connection more.
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

// release gives one connection up. The engine ends with the last; on a goroutine,
// since it waits for the worker that calls.
func (s *sharedEngine) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns--; s.conns == 0 {
		e := s.engine
		s.engine = nil
		go func() { _ = e.Shutdown(context.Background()) }()
	}
}
