package metrics

import "github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"

var trafficMetrics = []Metric{
	{
		Name: "fanfare_received_messages_total", Type: Counter,
		Help:   "Messages of WebSockets that have come from clients.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Traffic.MessagesIn }),
	},
	{
		Name: "fanfare_sent_messages_total", Type: Counter,
		Help:   "Messages of WebSockets for clients.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Traffic.MessagesOut }),
	},
	{
		Name: "fanfare_received_bytes_total", Type: Counter,
		Help:   "Bytes read from the sockets of clients, with TLS and HTTP.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Traffic.BytesIn }),
	},
	{
		Name: "fanfare_sent_bytes_total", Type: Counter,
		Help:   "Bytes that the sockets of clients have taken, with TLS and HTTP.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Traffic.BytesOut }),
	},
	{
		Name: "fanfare_pings_total", Type: Counter,
		Help:   "Pings that the server has sent to silent clients.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Traffic.Pings }),
	},
	{
		Name: "fanfare_compression_bytes_total", Type: Counter,
		Labels: []Label{{"direction", "sent, received"}, {"form", "plain, compressed"}},
		Help:   "Bytes of the messages that were compressed (-compress), before and after compression. A message for many clients counts once.",
		Worry:  "compressed bytes are not much fewer than plain ones: -compress costs more than it saves",
		values: func(s *monitor.Snapshot, emit emit) {
			t := &s.Traffic
			emit(float64(t.SentPlain), "sent", "plain")
			emit(float64(t.SentCompressed), "sent", "compressed")
			emit(float64(t.ReceivedPlain), "received", "plain")
			emit(float64(t.ReceivedCompressed), "received", "compressed")
		},
	},
}
