package wsproto

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// Drain ends the server without a rush of its clients: it stops listening, and closes each open
// connection with 1012 (service restart) at a random moment within window, after what was sent
// to it before. Clients that reconnect therefore come evenly spread. Handshakes and HTTP requests
// that begin meanwhile are refused with 503; HTTP requests under way are finished, and their
// connections closed. Drain returns when all connections are gone. If ctx is done first, it
// closes the rest and returns ctx's error. A call of Shutdown cuts the window short. A program
// behind a load balancer fails its health check before, and serves on until that has noticed.
func (s *Server) Drain(ctx context.Context, window time.Duration) error {
	if err := s.begin(); err != nil {
		return nil // it has never run
	}
	s.beginClosing()
	pages := make(chan error, 1)
	go func() { pages <- s.httpServer.shutdown(ctx) }()
	s.closeWithin(ctx, window)
	s.closeAll()
	return errors.Join(<-pages, s.engine.Shutdown(ctx))
}

// drainStep is how often Drain closes connections. A step takes a share of them, so that there is
// no timer for each.
const drainStep = 10 * time.Millisecond

// closeWithin closes the connections that are open in a random order, spread evenly over window. It returns early when none
// is open any more.
func (s *Server) closeWithin(ctx context.Context, window time.Duration) {
	all := s.openConns()
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	tick := time.NewTicker(drainStep)
	defer tick.Stop()
	begin, offset := time.Now(), rand.Float64()
	for closed := 0; closed < len(all) && s.counters.open.Load() > 0; {
		for until := closedBy(len(all), time.Since(begin), window, offset); closed < until; closed++ {
			all[closed].goodbye()
			all[closed] = nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-s.stopped:
			return
		}
	}
}

// closedBy returns how many of n connections must be closed when elapsed has passed of window. offset,
// from 0 to 1, is where in its share of window each of them is closed: 0 is the end.
func closedBy(n int, elapsed, window time.Duration, offset float64) int {
	if elapsed >= window {
		return n
	}
	return min(int(float64(n)*float64(elapsed)/float64(window)+offset), n)
}

// openConns returns the connections that are open.
func (s *Server) openConns() (all []*Conn) {
	s.engine.Each(func(h netpoll.Handler) {
		if c := (*Conn)(h.(*handle)); c.flags.Load()&flagOpen != 0 {
			all = append(all, c)
		}
	})
	return all
}

// drain calls OnDrain, unless OnClose comes first or the connection has left.
func (c *Conn) drain(h DrainHandler) {
	s := c.endpoint.server
	defer func() {
		if v := recover(); v != nil {
			s.logger().Error("OnDrain panicked", "panic", v, "stack", string(debug.Stack()))
			c.fail(InternalError, "the handler failed", netpoll.ErrPanic)
		}
	}()
	s.draining.Lock()
	defer s.draining.Unlock()
	if c.flags.Load()&flagOver == 0 {
		h.OnDrain(c)
	}
}

// endDrain waits for a call of OnDrain that is under way. No other follows: either it sees flagOver, or the server is seen
// to close here.
func (c *Conn) endDrain() {
	c.flags.Or(flagOver)
	if s := c.endpoint.server; s.closing() {
		s.draining.Lock()
		//lint:ignore SA2001 the wait is all
		s.draining.Unlock()
	}
}
