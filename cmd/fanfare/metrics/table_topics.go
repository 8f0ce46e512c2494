package metrics

import "github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"

var topicMetrics = []Metric{
	{
		Name: "fanfare_topics", Type: Gauge,
		Help:   "Topics and patterns that have subscribers or history.",
		Worry:  "it comes near fanfare_topics_limit",
		values: one(func(s *monitor.Snapshot) int64 { return s.Topics.Open }),
	},
	{
		Name: "fanfare_topics_limit", Type: Gauge,
		Help:   "The largest number of topics (-max-topics).",
		values: one(func(s *monitor.Snapshot) int64 { return s.Topics.Limit }),
	},
	{
		Name: "fanfare_subscriptions", Type: Gauge,
		Help:   "Subscriptions of all clients.",
		Worry:  "it comes near fanfare_subscriptions_limit",
		values: one(func(s *monitor.Snapshot) int64 { return s.Topics.Subscriptions }),
	},
	{
		Name: "fanfare_subscriptions_limit", Type: Gauge,
		Help:   "The largest number of subscriptions (-total-subscriptions).",
		values: one(func(s *monitor.Snapshot) int64 { return s.Topics.SubscriptionLimit }),
	},
	{
		Name: "fanfare_lagging_subscriptions", Type: Gauge,
		Help:   "Subscriptions that have not taken all messages yet.",
		Worry:  "it stays high: slow consumers",
		values: one(func(s *monitor.Snapshot) int64 { return s.Topics.Lagging }),
	},
	{
		Name: "fanfare_published_messages_total", Type: Counter,
		Help:   "Messages that were published to topics.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Topics.Published }),
	},
	{
		Name: "fanfare_deliveries_total", Type: Counter,
		Help:   "Messages that subscribers have got. Each counts once for each subscriber.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Topics.Delivered }),
	},
	{
		Name: "fanfare_dropped_messages_total", Type: Counter, Labels: []Label{{"policy", "conflate, disconnect, drop-newest, drop-oldest"}},
		Help:   "Messages that subscribers did not get because they were slow, by the policy of the topic. Each counts once for each subscriber. With conflate newer ones took their place.",
		Worry:  "it grows for a topic whose subscribers need every message",
		values: each(func(s *monitor.Snapshot) map[string]int64 { return s.Topics.Drops }),
	},
	{
		Name: "fanfare_evicted_subscribers_total", Type: Counter,
		Help:   "Subscribers that were disconnected because they were too slow (policy disconnect).",
		Worry:  "it grows: slow consumers, or limits that are too small",
		values: one(func(s *monitor.Snapshot) int64 { return s.Topics.Evicted }),
	},
	{
		Name: "fanfare_fanout_seconds", Type: Histogram,
		Help:      "How long it has taken to pass a batch of messages to the subscribers of a topic in one loop, in seconds.",
		Worry:     "the 99th percentile grows while the number of subscribers stays the same",
		histogram: func(s *monitor.Snapshot) monitor.Histogram { return s.Topics.Fanout },
	},
	{
		Name: "fanfare_topic_memory_bytes", Type: Gauge,
		Help:   "Memory of histories and of messages for slow subscribers, in bytes.",
		Worry:  "it comes near fanfare_topic_memory_limit_bytes",
		values: one(func(s *monitor.Snapshot) int64 { return s.Topics.Memory }),
	},
	{
		Name: "fanfare_topic_memory_limit_bytes", Type: Gauge,
		Help:   "The limit of fanfare_topic_memory_bytes (-total-logs), in bytes; 0 for none.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Topics.MemoryLimit }),
	},
	{
		Name: "fanfare_shed_messages_total", Type: Counter,
		Help:   "Messages that topics have dropped because fanfare_topic_memory_bytes exceeded its limit.",
		Worry:  "it grows",
		values: one(func(s *monitor.Snapshot) int64 { return s.Topics.Shed }),
	},
	{
		Name: "fanfare_presence_bytes", Type: Gauge,
		Help:   "Memory of the people who are present in topics, in bytes.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Topics.Presence }),
	},
}
