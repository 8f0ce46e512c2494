package wsproto

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// Limits are those settings of a [Server] that SetLimits can change while it runs. Each is
// the field of Server with its name, and begins with that field's value.
type Limits struct {
	Origins, Hosts                                  []string
	Rate                                            *Rate
	MaxHandshakes, HandshakeRate, MaxConnsPerClient int
	RateLocal                                       bool
	// Engine has the limits of the layer below, from Server.Engine. SetLimits leaves those as
	// they are if it is nil.
	Engine *netpoll.Limits
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

// gate bounds the handshakes of a server: how many are under way, and how many come in a second.
// Clients that it refuses are told when to return, each at a time of its own, so that a crowd
// which lost its connections at once does not return at once either.
type gate struct {
	underWay atomic.Int64

	mu     sync.Mutex
	full   moment // of the credit of HandshakeRate: see Rate.take
	slots  slots
	shares *shares // nil until a remote client comes
}

// shares are what is left of the credits of addresses: full, as that of gate. Addresses whose hashes are equal share one.
type shares struct {
	seed maphash.Seed
	full [4096]moment
}

// shareOf is the part of HandshakeRate that one address may use, so that it cannot lock out all others.
const shareOf = 8

// takeLocked pays for a handshake of an address from its share, unless that is used up.
func (s *shares) takeLocked(rate int, owner netip.Addr, now moment) bool {
	r := Rate{Messages: max(rate/shareOf, 1)}
	return r.take(&s.full[maphash.Comparable(s.seed, owner)%uint64(len(s.full))], 0, now) == 0
}

// enter counts another handshake, or returns the refusal of one that is too much. leave must
// follow if it counts.
func (g *gate) enter(l *Limits, local bool, client netip.Addr, now moment, n *limitCounters) *Refusal {
	if under := g.underWay.Add(1); l.MaxHandshakes > 0 && under > int64(l.MaxHandshakes) {
		g.underWay.Add(-1)
		n.handshakes.Add(1)
		return g.refuse(tooManyHandshakes, cmp.Or(l.HandshakeRate, l.MaxHandshakes), now)
	}
	if l.ratesHandshakes(local) && !g.conforms(l.HandshakeRate, local, client, now) {
		g.underWay.Add(-1)
		n.handshakeRate.Add(1)
		return g.refuse(tooManyASecond, l.HandshakeRate, now)
	}
	return nil
}

// countsClients reports whether a limit depends on the client's address.
func (l *Limits) countsClients() bool { return l.HandshakeRate > 0 || l.MaxConnsPerClient > 0 }

// ratesHandshakes reports whether HandshakeRate bounds handshakes of clients that are local or not.
func (l *Limits) ratesHandshakes(local bool) bool {
	return l.HandshakeRate > 0 && (!local || l.RateLocal)
}

// Busy returns the refusal that a handshake of a client with that address would get at this moment because of MaxHandshakes or
// HandshakeRate, with a time to return that is this caller's own; nil if there is none. A program
// can send it to a page that asks in an ordinary request why its handshake has failed, because
// browsers do not show that.
func (s *Server) Busy(client netip.Addr) *Refusal {
	if s.begin() != nil {
		return nil
	}
	l, now := s.limitsInForce(), thisMoment()
	switch {
	case l.MaxHandshakes > 0 && s.gate.underWay.Load() >= int64(l.MaxHandshakes):
		return s.gate.refuse(tooManyHandshakes, cmp.Or(l.HandshakeRate, l.MaxHandshakes), now)
	case l.ratesHandshakes(s.IsLocal(client)) && !s.gate.wouldConform(l.HandshakeRate, now):
		return s.gate.refuse(tooManyASecond, l.HandshakeRate, now)
	}
	return nil
}

const (
	tooManyHandshakes = "too many handshakes are under way"
	tooManyASecond    = "too many handshakes in a second"
)

func (g *gate) leave() { g.underWay.Add(-1) }

// conforms takes a handshake from the credit of a second, and before from the share of a remote client's address.
func (g *gate) conforms(rate int, local bool, client netip.Addr, now moment) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !local {
		if g.shares == nil {
			g.shares = &shares{seed: maphash.MakeSeed()}
		}
		if !g.shares.takeLocked(rate, netpoll.OwnerOf(client), now) {
			return false
		}
	}
	r := Rate{Messages: rate}
	return r.take(&g.full, 0, now) == 0
}

// wouldConform reports whether conforms would, and takes nothing.
func (g *gate) wouldConform(rate int, now moment) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, full := Rate{Messages: rate}, g.full
	return r.take(&full, 0, now) == 0
}

// refuse reserves a slot for the client's return.
func (g *gate) refuse(reason string, rate int, now moment) *Refusal {
	g.mu.Lock()
	wait := g.slots.reserve(rate, now)
	g.mu.Unlock()
	return retryAfterTime(http.StatusServiceUnavailable, reason, wait)
}

// slots are the times at which clients that were refused shall return: rate in a second. They
// reach a minute ahead. A larger crowd begins again at the first second, so that all seconds of
// the minute get the same share of it.
type slots struct{ last moment }

// reserve returns the time to the next free slot.
func (s *slots) reserve(rate int, now moment) time.Duration {
	step := time.Second / time.Duration(rate)
	if s.last = max(s.last, now).add(step); s.last.sub(now) > slotsAhead {
		s.last = now.add(step)
	}
	return s.last.sub(now)
}

const slotsAhead = time.Minute
