package main

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/rate"
	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// bodies returns how many bytes the transfers may hold: always enough for two batches.
func bodies(l *config.Limits) int64 {
	if l.TotalBodies != 0 {
		return int64(l.TotalBodies)
	}
	return max(netpoll.MemoryLimit()/32, 2*batchBodies*int64(min(l.MaxMessage, 1<<40)))
}

// engineOptions returns the options of the engine, which limit connections. It counts those of an address only if the
// operator has set a number, since it exempts nobody; the server counts them otherwise.
func engineOptions(c *config.Config) netpoll.Options {
	l := &c.Limits
	o := netpoll.Options{
		MaxPending: int(l.MaxPending), TotalPending: int(l.TotalPending),
		MaxConns: l.MaxConns, TLSHandshakes: l.MaxTLSHandshakes, TLSTimeout: l.TLSTimeout,
		MinDrain: int(orNone(l.MinRate)), Preamble: preamble(c), BlockedAfter: orNone(l.BlockedAfter),
	}
	if c.Explicit(connsPerAddr) {
		o.MaxConnsPerAddr = l.MaxConnsPerAddr
	}
	return o
}

// mostConns returns the limit of connections. By default it is below that of descriptors, so that the server can still refuse
// handshakes with 503 and answer health checks.
func mostConns(l *config.Limits) int {
	return cmp.Or(l.MaxConns, int(min(daemon.Room(daemon.FileLimit()), math.MaxInt32)))
}

const connsPerAddr = "limits.max-conns-per-addr"

// limitHub sets the limits of a hub.
func limitHub(o *hub.Options, l *config.Limits) {
	o.MaxTopics, o.MaxTopicsPerOwner = l.MaxTopics, l.MaxTopicsPerAddr
	o.MaxSubscriptions, o.MaxAllSubscriptions = l.MaxSubscriptions, l.TotalSubscriptions
	o.MaxBacklog, o.MaxMemory = int64(l.MaxBacklog), int64(l.TotalLogs)
}

// limitServer sets the limits of a server.
func limitServer(s *wsproto.Server, c *config.Config) {
	l, live := &c.Limits, serverLimits(c)
	s.Engine = engineOptions(c)
	s.MaxMessage, s.MaxHeader, s.MinRate = int(l.MaxMessage), int(l.MaxHeader), int(orNone(l.MinRate))
	s.HandshakeTimeout, s.MessageTimeout = l.HandshakeTimeout, orNone(l.MessageTimeout)
	s.HTTPTimeout, s.IdleTimeout = orNone(l.HTTPTimeout), l.IdleTimeout
	s.PingInterval, s.PongTimeout = orNone(l.Ping), l.PongTimeout
	s.Origins, s.Hosts = live.Origins, live.Hosts
	s.MaxHandshakes, s.HandshakeRate, s.RateLocal = live.MaxHandshakes, live.HandshakeRate, live.RateLocal
	s.MaxConnsPerClient, s.CountLocal = live.MaxConnsPerClient, c.Explicit(connsPerAddr)
}

// serverLimits returns the limits that can change while the server runs.
func serverLimits(c *config.Config) wsproto.Limits {
	o := engineOptions(c)
	o.MaxConns = mostConns(&c.Limits)
	return wsproto.Limits{
		Engine:  engineLimits(&o),
		Origins: c.Access.Origins, Hosts: hosts(c),
		RateLocal:     c.Explicit("limits.handshake-rate"),
		MaxHandshakes: c.Limits.MaxHandshakes, HandshakeRate: c.Limits.HandshakeRate, MaxConnsPerClient: c.Limits.MaxConnsPerAddr,
	}
}

// hosts returns the names of the server. Those for which it obtains certificates are its own, and the certificate authority
// asks for them without TLS.
func hosts(c *config.Config) []string {
	return append(slices.Clip(c.Access.Hosts), c.TLS.ACME.Domains...)
}

// engineLimits returns the limits of the engine that can change while the server runs.
func engineLimits(o *netpoll.Options) *netpoll.Limits {
	return &netpoll.Limits{
		MaxConns: o.MaxConns, MaxConnsPerAddr: o.MaxConnsPerAddr, TotalPending: o.TotalPending,
		MinDrain: o.MinDrain, TLSHandshakes: o.TLSHandshakes,
	}
}

// rateOf returns the rate of a connection; nil for no limit.
func rateOf(r *config.Rates) *wsproto.Rate {
	if r.ConnMessageRate == 0 && r.ConnByteRate == 0 {
		return nil
	}
	return &wsproto.Rate{Messages: r.ConnMessageRate, Bytes: int(r.ConnByteRate), Burst: r.ConnBurst}
}

func userLimits(r *config.Rates) rate.Limits {
	return rate.Limits{Messages: float64(r.UserMessageRate), Bytes: float64(r.UserByteRate), Burst: r.UserBurst}
}

func topicLimits(r *config.Rates) rate.Limits {
	return rate.Limits{Messages: float64(r.TopicMessageRate), Bytes: float64(r.TopicByteRate), Burst: r.TopicBurst}
}

// orNone returns the value of an option for the value of a flag: 0 turns the flag off, and a negative value the option,
// whose 0 means its default.
func orNone[T config.Size | time.Duration](v T) T { return cmp.Or(v, -1) }
