package history

import "github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"

// interval is what is between two points.
type interval struct {
	was, now *monitor.Snapshot
	seconds  float64
}

// figure is something that is plotted.
type figure struct {
	name string
	of   func(interval) float64
}

// A gauge is a figure of the end of the interval.
func gauge(name string, of func(*monitor.Snapshot) int64) figure {
	return figure{name, func(i interval) float64 { return float64(of(i.now)) }}
}

// A rate is how much a counter grows each second.
func rate(name string, of func(*monitor.Snapshot) int64) figure {
	return figure{name, func(i interval) float64 { return float64(of(i.now)-of(i.was)) / i.seconds }}
}

// A quantile is that of the values that came in the interval, in seconds. It is NaN if there were none.
func quantile(name string, q float64, of func(*monitor.Snapshot) *monitor.Histogram) figure {
	return figure{name, func(i interval) float64 { return Quantile(q, of(i.was), of(i.now)) }}
}

type snapshot = monitor.Snapshot

func readyWait(s *snapshot) *monitor.Histogram { return &s.Engine.ReadyWait }
func loopLag(s *snapshot) *monitor.Histogram   { return &s.Engine.LoopLag }
func fanout(s *snapshot) *monitor.Histogram    { return &s.Topics.Fanout }

// figures are all that have one value at a time. Their names have no dot.
var figures = []figure{
	gauge("websockets", func(s *snapshot) int64 { return s.Conns.WebSockets }),
	gauge("open", func(s *snapshot) int64 { return s.Conns.Open }),
	gauge("handshakes", func(s *snapshot) int64 { return s.Conns.Handshakes }),
	rate("accepted", func(s *snapshot) int64 { return s.Conns.Accepted }),

	rate("messages_in", func(s *snapshot) int64 { return s.Traffic.MessagesIn }),
	rate("messages_out", func(s *snapshot) int64 { return s.Traffic.MessagesOut }),
	rate("bytes_in", func(s *snapshot) int64 { return s.Traffic.BytesIn }),
	rate("bytes_out", func(s *snapshot) int64 { return s.Traffic.BytesOut }),
	rate("published", func(s *snapshot) int64 { return s.Topics.Published }),
	rate("delivered", func(s *snapshot) int64 { return s.Topics.Delivered }),

	quantile("ready_wait_p50", 0.5, readyWait), quantile("ready_wait_p99", 0.99, readyWait),
	quantile("loop_lag_p50", 0.5, loopLag), quantile("loop_lag_p99", 0.99, loopLag),
	quantile("fanout_p50", 0.5, fanout), quantile("fanout_p99", 0.99, fanout),

	{"cpu", func(i interval) float64 { return (i.now.Process.CPUSeconds - i.was.Process.CPUSeconds) / i.seconds }},
	gauge("rss", func(s *snapshot) int64 { return s.Process.RSS }),
	gauge("heap", func(s *snapshot) int64 { return s.Process.Heap }),
	gauge("per_connection", func(s *snapshot) int64 { return s.Process.PerConn }),
	gauge("kernel_socket", func(s *snapshot) int64 { return s.Process.KernelSocket }),
	gauge("goroutines", func(s *snapshot) int64 { return int64(s.Process.Goroutines) }),
	gauge("files", func(s *snapshot) int64 { return int64(s.Process.Files) }),

	gauge("queued", func(s *snapshot) int64 { return s.Engine.Queued }),
	gauge("held", func(s *snapshot) int64 { return s.Engine.Held }),
	gauge("ready", func(s *snapshot) int64 { return s.Engine.Ready }),
	gauge("busy", func(s *snapshot) int64 { return s.Engine.Busy }),
	gauge("blocked", func(s *snapshot) int64 { return s.Engine.Blocked }),
	rate("slow", func(s *snapshot) int64 { return s.Engine.Slow + s.Topics.Evicted }),
	rate("shed", func(s *snapshot) int64 { return s.Engine.Shed + s.Topics.Shed }),

	gauge("topics", func(s *snapshot) int64 { return s.Topics.Open }),
	gauge("subscriptions", func(s *snapshot) int64 { return s.Topics.Subscriptions }),
	gauge("lagging", func(s *snapshot) int64 { return s.Topics.Lagging }),
	gauge("topics_memory", func(s *snapshot) int64 { return s.Topics.Memory }),
	gauge("users", func(s *snapshot) int64 { return int64(s.Access.Users) }),
	gauge("webhooks_queued", func(s *snapshot) int64 {
		if s.Webhooks == nil {
			return 0
		}
		return s.Webhooks.Queued
	}),
}

// group is a kind of counters by name. Their figures are rates, named for the group and the counter, such as "closes.1000".
type group struct {
	name string
	of   func(*snapshot) map[string]int64
}

var groups = []group{
	{"outcomes", func(s *snapshot) map[string]int64 { return s.Conns.Outcomes }},
	{"refusals", func(s *snapshot) map[string]int64 { return s.Conns.Refusals }},
	{"closes", func(s *snapshot) map[string]int64 { return s.Conns.Closes }},
	{"abnormal", func(s *snapshot) map[string]int64 { return s.Conns.Abnormal }},
	{"drops", func(s *snapshot) map[string]int64 { return s.Topics.Drops }},
}

// maxNames is the number of counters of a group that have figures of their own. Further ones are "other".
const (
	maxNames = 24
	other    = "other"
)
