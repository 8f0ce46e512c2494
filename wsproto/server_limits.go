package wsproto

import (
	"errors"
	"fmt"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// Limits are those settings of a [Server] that SetLimits can change while it runs. Each is
// the field of Server with its name, and begins with that field's value.
type Limits struct {
	Origins, Hosts                                  []string
	Rate                                            *Rate
	MaxHandshakes, HandshakeRate, MaxConnsPerClient int
	// Engine has the limits of the layer below, from Server.Engine. SetLimits leaves those as
	// they are if it is nil.
	Engine *netpoll.Limits
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

// limitsInForce returns the limits, which change as a whole.
func (s *Server) limitsInForce() *Limits {
	if l := s.limits.Load(); l != nil {
		return l
	}
	return &Limits{s.Origins, s.Hosts, s.Rate, s.MaxHandshakes, s.HandshakeRate, s.MaxConnsPerClient, nil}
}

func (l *Limits) validate() error {
	for _, f := range []struct {
		name  string
		value int
	}{{"MaxHandshakes", l.MaxHandshakes}, {"HandshakeRate", l.HandshakeRate}, {"MaxConnsPerClient", l.MaxConnsPerClient}} {
		if f.value < 0 {
			return fmt.Errorf("wsproto: Server.%s is %d; it must not be negative", f.name, f.value)
		}
	}
	return errors.Join(validateHosts("Origins", l.Origins, ValidateOrigin), validateHosts("Hosts", l.Hosts, ValidateHost), l.Rate.validate("Server.Rate"))
}
