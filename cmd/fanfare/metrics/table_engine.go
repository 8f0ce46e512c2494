package metrics

import "github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"

var engineMetrics = []Metric{
	{
		Name: "fanfare_pending_bytes", Type: Gauge,
		Help:   "Output that waits for clients to read, in bytes. A message for many clients counts once for each.",
		Worry:  "it grows: clients read more slowly than messages come",
		values: one(func(s *monitor.Snapshot) int64 { return s.Engine.Queued }),
	},
	{
		Name: "fanfare_held_bytes", Type: Gauge,
		Help:   "Memory that -total-pending bounds, in bytes: output that waits for clients, shared messages once, and input that is not complete.",
		Worry:  "it comes near fanfare_held_limit_bytes",
		values: one(func(s *monitor.Snapshot) int64 { return s.Engine.Held }),
	},
	{
		Name: "fanfare_held_limit_bytes", Type: Gauge,
		Help:   "The limit of fanfare_held_bytes (-total-pending), in bytes; 0 for none.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Engine.HeldLimit }),
	},
	{
		Name: "fanfare_shed_connections_total", Type: Counter,
		Help:   "Connections that were closed because fanfare_held_bytes exceeded its limit and they held most.",
		Worry:  "it grows",
		values: one(func(s *monitor.Snapshot) int64 { return s.Engine.Shed }),
	},
	{
		Name: "fanfare_slow_connections_total", Type: Counter,
		Help:   "Connections that were closed because the client read less than -min-rate.",
		Worry:  "it grows fast",
		values: one(func(s *monitor.Snapshot) int64 { return s.Engine.Slow }),
	},
	{
		Name: "fanfare_ready_connections", Type: Gauge,
		Help:   "Connections and tasks that are ready and wait for a worker.",
		Worry:  "it stays above 0",
		values: one(func(s *monitor.Snapshot) int64 { return s.Engine.Ready }),
	},
	{
		Name: "fanfare_ready_longest_wait_seconds", Type: Gauge,
		Help:   "How long the first of fanfare_ready_connections has been waiting, in seconds.",
		Worry:  "it is above 0.25",
		values: one(func(s *monitor.Snapshot) float64 { return s.Engine.LongestWait }),
	},
	{
		Name: "fanfare_ready_wait_seconds", Type: Histogram,
		Help:      "How long connections that were ready have waited for a worker, in seconds: one of 32.",
		Worry:     "the 99th percentile is above 0.25",
		histogram: func(s *monitor.Snapshot) monitor.Histogram { return s.Engine.ReadyWait },
	},
	{
		Name: "fanfare_loop_lag_seconds", Type: Histogram,
		Help:      "After what time an event loop has looked at an event, in seconds: up to 10 samples a second while there is work.",
		Worry:     "the 99th percentile is above 0.1: the processor is busy, or the machine takes it away",
		histogram: func(s *monitor.Snapshot) monitor.Histogram { return s.Engine.LoopLag },
	},
	{
		Name: "fanfare_workers_busy", Type: Gauge,
		Help:   "Workers that are in use.",
		Worry:  "it stays at fanfare_workers_limit",
		values: one(func(s *monitor.Snapshot) int64 { return s.Engine.Busy }),
	},
	{
		Name: "fanfare_workers_limit", Type: Gauge,
		Help:   "The largest number of workers.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Engine.Workers }),
	},
	{
		Name: "fanfare_workers_blocked", Type: Gauge,
		Help:   "Workers that have been in one turn for over a second. The log names the handler and the connection.",
		Worry:  "it is above 0",
		values: one(func(s *monitor.Snapshot) int64 { return s.Engine.Blocked }),
	},
	{
		Name: "fanfare_blocked_turns_total", Type: Counter,
		Help:   "Turns that have blocked a worker for over a second.",
		Worry:  "it grows",
		values: one(func(s *monitor.Snapshot) int64 { return s.Engine.BlockedEver }),
	},
}
