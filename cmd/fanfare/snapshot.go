package main

import (
	"net/http"
	"strconv"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/backend"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/rate"
	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// The paths at which operators get the state of the server: as JSON, and for Prometheus.
const (
	statusPath  = "/api/status"
	metricsPath = "/metrics"
)

// status is GET /api/status.
func (a *app) status(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	a.answer(w, http.StatusOK, a.watch.Snapshot())
}

// snapshot returns the state of the server, without alerts: see monitor.Watch. It visits no connection and no topic, so it costs the same for any number of them.
func (a *app) snapshot() monitor.Snapshot {
	s := a.server.Stats()
	now := monitor.Snapshot{
		Time: time.Now(), Started: a.meter.Started(), Version: daemon.Version(), State: a.state(),
		Process: a.meter.Process(s.Open + s.Detached),
		Conns:   a.connState(&s),
		Traffic: trafficState(&s),
		Engine:  a.engineState(&s),
		Topics:  a.topicState(),
		Hub:     a.sessionState(),
		API:     a.transfers.state(),
		Once:    a.onceState(),
		Rates:   a.rates.state(),
		Access:  a.accessState(),
		Hooks:   a.hooks.state(),
		Alerts:  []monitor.Alert{},

		Webhooks: a.events.state(),
		Broker:   a.brokerState(),
	}
	a.certificates.addTo(&now)
	return now
}

func (a *app) state() string {
	state, _ := a.isReady()
	return state
}

func (a *app) connState(s *wsproto.Stats) monitor.Conns {
	c := monitor.Conns{
		Open: s.Open + s.Detached, WebSockets: s.WebSockets, Accepted: s.Accepted, Handshakes: s.Handshakes,
		Outcomes: map[string]int64{
			"opened": s.Upgrades.Opened, "refused": s.Upgrades.Refused, "timed_out": s.Upgrades.TimedOut, "aborted": s.Upgrades.Aborted,
		},
		TLS: map[string]int64{
			"done": s.TLSHandshakesDone, "shed": s.TLSHandshakesShed, "timed_out": s.TLSHandshakesTimedOut,
			// These figures are of one state of the server, in which they add up: so the rest never falls.
			"failed": s.TLSHandshakesFailed - s.TLSHandshakesShed - s.TLSHandshakesTimedOut,
		},
		TLSRunning: s.TLSHandshakes, TLSWaiting: s.TLSHandshakesWaiting,
		Refusals: a.refusedBy(s), Statuses: byName(s.Refusals, strconv.Itoa),
		Closes: byName(s.Closes, codeName), ClosesByPeer: byName(s.ClosesByPeer, codeName), CloseTimeouts: s.CloseTimeouts,
		Abnormal: map[string]int64{
			"ended": s.Abnormal.Ended, "lost": s.Abnormal.Lost, "pong_timeout": s.Abnormal.PongTimeout,
			"slow": s.Abnormal.Slow, "shed": s.Abnormal.Shed, "other": s.Abnormal.Other,
		},
	}
	if l := a.server.Limits().Engine; l != nil {
		c.Limit = int64(l.MaxConns)
	}
	return c
}

// byName returns counters by the names of what they count.
func byName[K comparable](all map[K]int64, name func(K) string) map[string]int64 {
	named := make(map[string]int64, len(all))
	for k, n := range all {
		named[name(k)] += n
	}
	return named
}

func trafficState(s *wsproto.Stats) monitor.Traffic {
	z := &s.Compression
	return monitor.Traffic{
		MessagesIn: s.MessagesIn, MessagesOut: s.MessagesOut, BytesIn: s.BytesIn, BytesOut: s.BytesOut, Pings: s.Pings,
		SentPlain: z.SentPlain, SentCompressed: z.SentCompressed, ReceivedPlain: z.ReceivedPlain, ReceivedCompressed: z.ReceivedCompressed,
	}
}

// codeName returns the name of a close code in a Snapshot. The server counts all codes of libraries together, and those of
// applications apart from 44xx.
func codeName(code wsproto.Code) string {
	switch code {
	case 3000:
		return "3xxx"
	case 4000:
		return "4xxx"
	}
	return strconv.Itoa(int(code))
}

// refusedBy returns how often something was refused, by reason.
func (a *app) refusedBy(s *wsproto.Stats) map[string]int64 {
	by := map[string]int64{
		"full": s.RefusedFull + s.Limited.Full, "address": s.RefusedByAddr + s.Limited.PerClient, "preamble": s.RefusedPreamble,
		"handshakes": s.Limited.Handshakes, "handshake_rate": s.Limited.HandshakeRate, "closing": s.Limited.Closing,
	}
	a.refusals.addTo(by)
	return by
}

func (a *app) engineState(s *wsproto.Stats) monitor.Engine {
	e := monitor.Engine{
		Queued: s.Queued, Held: s.Held, Shed: s.Shed, Slow: s.Slow, Ready: int64(s.Ready), LongestWait: s.LongestWait.Seconds(),
		Busy: int64(s.WorkersBusy), Workers: int64(s.Workers), Blocked: int64(s.WorkersBlocked), BlockedEver: s.Blocked,
		Background: s.Background, BackgroundWaiting: s.BackgroundWaiting,
		ReadyWait: monitor.HistogramOf(&s.ReadyWait), LoopLag: monitor.HistogramOf(&s.LoopLag),
	}
	if l := a.server.Limits().Engine; l != nil {
		e.HeldLimit = int64(max(l.TotalPending, 0))
	}
	return e
}

func (a *app) topicState() monitor.Topics {
	h, o := a.hub.Stats(), a.hub.Options()
	return monitor.Topics{
		Open: int64(h.Topics), Limit: int64(o.MaxTopics), Subscriptions: h.Subscriptions, SubscriptionLimit: int64(o.MaxAllSubscriptions),
		Memory: h.Memory, MemoryLimit: max(o.MaxMemory, 0), Published: h.Published, Delivered: h.Delivered, Shed: h.Shed,
		Evicted: h.Evicted,
		Lagging: h.Lagging, Presence: h.PresenceBytes, Fanout: monitor.HistogramOf(&h.FanOut),
		Drops: map[string]int64{
			"disconnect": h.Drops.Disconnect, "drop-newest": h.Drops.DropNewest, "drop-oldest": h.Drops.DropOldest, "conflate": h.Drops.Conflate,
		},
	}
}

func (a *app) sessionState() monitor.Sessions {
	s, h := a.sessions.Stats(), a.hub.Stats()
	return monitor.Sessions{
		Members: h.Members,
		Waiting: s.Waiting, WaitingLimit: max(int64(a.sessions.Options().MaxWaiting), 0), Held: s.Held, Busy: s.Busy,
		Data: s.Data, Unauthenticated: s.Unauthenticated,
		Recoveries: map[string]int64{
			"none": s.Recoveries.None, "resumed": s.Recoveries.Resumed, "lost": s.Recoveries.Lost, "new_epoch": s.Recoveries.NewEpoch,
		},
	}
}

func (a *app) accessState() monitor.Access {
	p := a.access.Stats()
	return monitor.Access{
		Users: p.Users, Conns: p.Conns, Expiring: p.Expiring, Revocations: p.Revocations, Expired: p.Expired, Revoked: p.Revoked,
	}
}

func (ts *transfers) state() monitor.API {
	held, shed := ts.stats()
	return monitor.API{Held: held, HeldLimit: max(ts.most, 0), Shed: shed}
}

func (a *app) onceState() monitor.Once {
	s := a.once.Stats()
	return monitor.Once{
		Keys: int64(s.Kept), Limit: int64(a.once.Options().MaxKeys), Forgotten: s.Forgotten,
		Repeated: map[string]int64{"replayed": s.Replayed, "reused": s.Reused},
	}
}

func (r *rates) state() map[string]monitor.Rate {
	all := make(map[string]monitor.Rate)
	for name, l := range map[string]*rate.Limiter[string]{"users": r.users, "topics": r.topics} {
		s := l.Stats()
		all[name] = monitor.Rate{Taken: s.Taken, Refused: s.Refused, Shared: s.Shared, Keys: s.Keys}
	}
	return all
}

// state returns the figures of the hooks that there are, by their names.
func (h *hooks) state() map[string]monitor.Hook {
	b := h.current.Load()
	if b == nil {
		return nil
	}
	all := make(map[string]monitor.Hook)
	for _, hook := range []backend.Hook{backend.Connect, backend.Subscribe, backend.Publish} {
		if b.Has(hook) {
			s := b.Stats(hook)
			all[hook.String()] = hookState(&s)
		}
	}
	return all
}

func hookState(s *backend.HookStats) monitor.Hook {
	h := monitor.Hook{
		Results: map[string]uint64{
			"granted": s.Granted, "refused": s.Refused, "fallback": s.FellBack, "failed": s.Failed, "busy": s.Busy, "cancelled": s.Cancelled,
		},
		Failures: make(map[string]uint64, len(s.Failures)),
		Cached:   s.Cached, Joined: s.Joined, Requests: s.Requests, RequestTime: s.RequestTime.Seconds(),
		Running: s.Running, Queued: s.Queued, Waiting: s.Waiting, Breaker: s.Breaker, Opened: s.Opened,
	}
	for i, n := range s.Failures {
		h.Failures[backend.FailureNames[i]] = n
	}
	return h
}
