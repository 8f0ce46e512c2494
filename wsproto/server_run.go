package wsproto

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/gobwas/ws"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// begin starts the engine, once.
func (s *Server) begin() error {
	s.start.Do(func() {
		if s.err = s.Validate(); s.err != nil {
			return
		}
		s.setDefaults()
		if s.engine, s.err = netpoll.New(s.Engine); s.err != nil {
			return
		}
		s.Engine = s.engine.Options() // like the other fields, it now says what is in effect
		s.endpoint = &endpoint{
			limits:       limits{frame: cmp.Or(s.MaxFrame, s.MaxMessage), message: s.MaxMessage},
			streams:      newStreams(s.MaxFrame, cmp.Or(s.StreamAbove, s.MaxMessage), s.MaxStream, s.StreamTimeout, s.MinRate),
			state:        ws.StateServerSide,
			ping:         s.PingInterval,
			pong:         s.PongTimeout,
			sweep:        s.engine.Options().Sweep,
			message:      min(s.MessageTimeout, 20*24*time.Hour), // the range of a tick
			closeTimeout: s.CloseTimeout,
			server:       s,
			compression:  s.Compression.withDefaults(),
		}
		s.clients = newClients[*Conn]()
		s.setLimits(*s.limitsInForce())
		s.closed, s.stopped = make(chan struct{}), make(chan struct{})
		s.httpServer = newHTTPServer(s)
		s.engine.MakeRoom(s.makeRoom)
	})
	return s.err
}

// accept returns the handler of a new connection.
func (s *Server) accept() netpoll.Handler {
	c := &Conn{endpoint: s.endpoint}
	if s.engine.Limits().MaxConns > 0 {
		s.silent.add(c)
	}
	return (*handle)(c)
}

// makeRoom closes an idle connection, and reports whether there was one.
func (s *Server) makeRoom() bool {
	if c := s.httpServer.idle.oldest(); c != nil {
		c.cut()
		return true
	}
	return s.silent.close()
}

// Wait returns ErrServerClosed after Shutdown or Drain was called, or the error that the
// engine failed with.
func (s *Server) Wait() error {
	if err := s.begin(); err != nil {
		return err
	}
	select {
	case <-s.closed:
		return ErrServerClosed
	case <-s.engine.Failed():
		return s.engine.Err()
	}
}

// Shutdown stops listening, closes every connection with 1001 (going away), waits for the
// peers' close frames and for HTTP requests under way, and returns when all connections are
// gone. If ctx is done first, it closes the rest and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.begin(); err != nil {
		return nil // it has never run
	}
	s.beginShutdown()
	s.closeAll()
	err := s.httpServer.shutdown(ctx)
	return errors.Join(err, s.engine.Shutdown(ctx))
}

// beginClosing stops accepting connections and handshakes.
func (s *Server) beginClosing() {
	s.close.Do(func() { close(s.closed) })
	s.engine.StopListening()
}

// beginShutdown does so for Shutdown.
func (s *Server) beginShutdown() {
	s.beginClosing()
	s.stop.Do(func() { close(s.stopped) })
}

// closeAll closes all connections: with a close frame if they are open.
func (s *Server) closeAll() {
	s.engine.Each(func(h netpoll.Handler) {
		if c := (*Conn)(h.(*handle)); c.flags.Load()&flagOpen != 0 {
			c.goodbye()
		} else {
			c.io.Close(ErrServerClosed)
		}
	})
}

// SetLimits replaces the limits. They apply to what comes from then on: the next handshake, and
// the next message of a connection that is open. A connection that was opened while
// MaxConnsPerClient was 0 is never counted. On an error nothing changes. The caller must not
// change l.Rate, or the elements of the lists, afterwards.
func (s *Server) SetLimits(l Limits) error {
	if err := s.begin(); err != nil {
		return err
	}
	if err := l.validate(); err != nil {
		return err
	}
	if l.Engine != nil {
		if err := s.engine.SetLimits(s.completeLimits(*l.Engine)); err != nil {
			return err
		}
		if l.Engine.MaxConns == 0 {
			s.silent.clear()
		}
	}
	l.Engine = nil // the engine knows them
	s.setLimits(l)
	return nil
}

// completeLimits fills in the defaults that setDefaults gives.
func (s *Server) completeLimits(l netpoll.Limits) netpoll.Limits {
	setDefault(&l.MinDrain, s.MinRate)
	if l.MaxConns > 0 {
		setDefault(&l.Reserve, reserveFor(l.MaxConns))
	}
	return l
}

func (s *Server) setLimits(l Limits) {
	s.limits.Store(&l)
	s.endpoint.messageRate.Store(l.Rate)
}

// Limits returns the limits in force.
func (s *Server) Limits() Limits {
	l := *s.limitsInForce()
	l.Engine = nil
	if s.begin() == nil {
		engine := s.engine.Limits()
		l.Engine = &engine
	}
	return l
}

// Stats returns the counters as they are now.
func (s *Server) Stats() Stats {
	if s.begin() != nil {
		return Stats{}
	}
	n := &s.counters
	return Stats{
		Stats:      s.engine.Stats(),
		WebSockets: n.open.Load(),
		Upgrades: UpgradeStats{
			Opened: n.opened.Load(), Refused: n.refused.Load(), TimedOut: n.timedOut.Load(), Aborted: n.aborted.Load(),
		},
		UpgradesRefused: nonZero(n.upgrades[:]),
		Closes:          byCode(n.closes[:]),
		ClosesByPeer:    byCode(n.closesByPeer[:]),
		Abnormal:        n.abnormal.stats(),
		CloseTimeouts:   n.closeTimeouts.Load(),
		Pings:           n.pings.Load(),
		Compression:     s.endpoint.compression.stats(),
		Refusals:        nonZero(n.statuses[:]),
		Handshakes:      s.gate.underWay.Load(),
		Limited:         n.limited.stats(),
	}
}
