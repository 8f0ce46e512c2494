package metrics

import "github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"

var clientMetrics = []Metric{
	{
		Name: "fanfare_hub_connections", Type: Gauge,
		Help:   "Connections to /hub.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Hub.Members }),
	},
	{
		Name: "fanfare_recoveries_total", Type: Counter, Labels: []Label{{"outcome", "lost, new_epoch, none, resumed"}},
		Help: "Subscriptions over /hub, by what the client has recovered of the messages that it missed: all (resumed); not all, since they are no longer held (lost) " +
			"or the topic has begun anew (new_epoch); or it has asked for none.",
		Worry:  "lost grows: histories are too short for how long clients are away",
		values: each(func(s *monitor.Snapshot) map[string]int64 { return s.Hub.Recoveries }),
	},
	{
		Name: "fanfare_hub_waiting_bytes", Type: Gauge,
		Help:   "Requests over /hub that wait for their replies, in bytes.",
		Worry:  "it comes near fanfare_hub_waiting_limit_bytes",
		values: one(func(s *monitor.Snapshot) int64 { return s.Hub.Waiting }),
	},
	{
		Name: "fanfare_hub_waiting_limit_bytes", Type: Gauge,
		Help:   "The limit of fanfare_hub_waiting_bytes, in bytes; 0 for none.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Hub.WaitingLimit }),
	},
	{
		Name: "fanfare_hub_busy_total", Type: Counter,
		Help:   "Requests over /hub that were refused (busy) because of that limit.",
		Worry:  "it grows",
		values: one(func(s *monitor.Snapshot) int64 { return s.Hub.Busy }),
	},
	{
		Name: "fanfare_hub_paused_reads_total", Type: Counter,
		Help:   "How often the server has stopped reading from a connection because too many of its requests waited for replies.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Hub.Held }),
	},
	{
		Name: "fanfare_hub_data_bytes", Type: Gauge,
		Help:   "Presence data that the clients of /hub have given, in bytes.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Hub.Data }),
	},
	{
		Name: "fanfare_hub_unauthenticated_connections", Type: Gauge,
		Help:   "Connections to /hub whose token has not come yet, or is not checked yet.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Hub.Unauthenticated }),
	},
	{
		Name: "fanfare_api_held_bytes", Type: Gauge,
		Help:   "Memory of HTTP requests, in bytes: their bodies, and responses that the client has not read.",
		Worry:  "it comes near fanfare_api_held_limit_bytes",
		values: one(func(s *monitor.Snapshot) int64 { return s.API.Held }),
	},
	{
		Name: "fanfare_api_held_limit_bytes", Type: Gauge,
		Help:   "The limit of fanfare_api_held_bytes (-total-bodies), in bytes; 0 for none.",
		values: one(func(s *monitor.Snapshot) int64 { return s.API.HeldLimit }),
	},
	{
		Name: "fanfare_shed_requests_total", Type: Counter,
		Help:   "HTTP requests that were ended because fanfare_api_held_bytes exceeded its limit and they held most.",
		Worry:  "it grows",
		values: one(func(s *monitor.Snapshot) uint64 { return s.API.Shed }),
	},
	{
		Name: "fanfare_idempotency_keys", Type: Gauge,
		Help:   "Messages that are remembered by their idempotency key.",
		Worry:  "it comes near fanfare_idempotency_keys_limit",
		values: one(func(s *monitor.Snapshot) int64 { return s.Once.Keys }),
	},
	{
		Name: "fanfare_idempotency_keys_limit", Type: Gauge,
		Help:   "The limit of fanfare_idempotency_keys (-idempotency-keys); one user, API key or address may have a quarter.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Once.Limit }),
	},
	{
		Name: "fanfare_idempotency_repeated_total", Type: Counter, Labels: []Label{{"result", "replayed, reused"}},
		Help:   "Messages that came with an idempotency key that was known: not published again (replayed), or refused as another message had the key (reused).",
		Worry:  "reused grows: a client chooses the same key for several messages",
		values: each(func(s *monitor.Snapshot) map[string]int64 { return s.Once.Repeated }),
	},
	{
		Name: "fanfare_idempotency_forgotten_total", Type: Counter,
		Help:   "Idempotency keys that were forgotten before -idempotency-window was over, as there were too many.",
		Worry:  "it grows: a message that is sent again may be published twice; raise -idempotency-keys",
		values: one(func(s *monitor.Snapshot) int64 { return s.Once.Forgotten }),
	},
}
