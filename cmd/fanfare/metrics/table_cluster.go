package metrics

import "github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"

var clusterMetrics = []Metric{
	{
		Name: "fanfare_broker_up", Type: Gauge,
		Help:   "Whether the server is linked to NATS, so that what is published at other nodes arrives: 1 or 0.",
		Worry:  "it is 0: publishing fails, and clients miss what other nodes publish until it is back",
		values: ofBroker(func(b *monitor.Broker) float64 { return boolean(b.Up) }),
	},
	{
		Name: "fanfare_broker_links_total", Type: Counter,
		Help:   "How often the server was linked to NATS: once at the start, and again after each loss. After a loss the topics fetch what they have missed.",
		values: ofBroker(func(b *monitor.Broker) float64 { return float64(b.Links) }),
	},
	{
		Name: "fanfare_broker_losses_total", Type: Counter, Labels: []Label{{"cause", "connection, epoch, gap, lame_duck, leader, slow"}},
		Help:   "How often the link was lost, by cause. connection: it has failed; lame_duck: the server of NATS was about to end; leader: the stream has another leader; gap: NATS has not delivered all messages; slow: too many messages waited for the subscribers; epoch: the stream has begun anew.",
		Worry:  "it grows, slow above all: this node cannot keep up",
		values: ofBrokers(func(b *monitor.Broker) map[string]int64 { return b.Losses }),
	},
	{
		Name: "fanfare_broker_epoch_changes_total", Type: Counter,
		Help:   "How often the stream has begun anew while the server was running, because it was deleted or restored, or has lost messages.",
		Worry:  "it grows: clients are told of gaps",
		values: ofBroker(func(b *monitor.Broker) float64 { return float64(b.Epochs) }),
	},
	{
		Name: "fanfare_broker_publish_failures_total", Type: Counter, Labels: []Label{{"result", "refused, unconfirmed"}},
		Help:   "Messages that were certainly not published (refused), and those that NATS has not confirmed in time, which may have been published.",
		Worry:  "it grows",
		values: ofBrokers(func(b *monitor.Broker) map[string]int64 { return b.Failures }),
	},
	{
		Name: "fanfare_broker_publish_seconds", Type: Histogram,
		Help:  "Time from publishing a message to the answer of NATS, in seconds.",
		Worry: "it grows: NATS, its disks or the network are slow",
		histogram: func(s *monitor.Snapshot) monitor.Histogram {
			if s.Broker == nil {
				return monitor.Histogram{}
			}
			return s.Broker.RoundTrip
		},
	},
	{
		Name: "fanfare_broker_pending_messages", Type: Gauge,
		Help:   "Published messages that NATS has not answered yet.",
		Worry:  "it stays high",
		values: ofBroker(func(b *monitor.Broker) float64 { return float64(b.Pending) }),
	},
	{
		Name: "fanfare_broker_pending_bytes", Type: Gauge,
		Help:   "The memory for these messages, in bytes. From 64 MiB on publishing fails.",
		values: ofBroker(func(b *monitor.Broker) float64 { return float64(b.PendingBytes) }),
	},
	{
		Name: "fanfare_broker_queue_bytes", Type: Gauge,
		Help:   "Messages that have come from NATS and wait for the subscribers, in bytes. Beyond 64 MiB they are dropped, and fetched later.",
		Worry:  "it grows",
		values: ofBroker(func(b *monitor.Broker) float64 { return float64(b.QueueBytes) }),
	},
}

func boolean(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// ofBroker is the function of a metric that is missing if the server stands alone.
func ofBroker(f func(b *monitor.Broker) float64) func(*monitor.Snapshot, emit) {
	return optional(func(s *monitor.Snapshot) *monitor.Broker { return s.Broker }, f)
}

func ofBrokers(f func(b *monitor.Broker) map[string]int64) func(*monitor.Snapshot, emit) {
	return optionalMap(func(s *monitor.Snapshot) *monitor.Broker { return s.Broker }, f)
}
