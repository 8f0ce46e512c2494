package metrics

import "github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"

var webhookMetrics = []Metric{
	{
		Name: "fanfare_webhook_events_total", Type: Counter, Labels: []Label{{"result", "dead, dropped, sent"}},
		Help:   "Events for webhooks that have left the queue: taken by the endpoint (sent), given up (dead), or dropped because the queue was full.",
		Worry:  "dead or dropped grow",
		values: ofWebhooks(func(w *monitor.Webhooks) map[string]int64 { return w.Events }),
	},
	{
		Name: "fanfare_webhook_requests_total", Type: Counter, Labels: []Label{{"result", "failed, ok"}},
		Help:   "Requests to the endpoints of webhooks, repetitions included.",
		Worry:  "failed grows",
		values: ofWebhooks(func(w *monitor.Webhooks) map[string]int64 { return w.Requests }),
	},
	{
		Name: "fanfare_webhook_queued_events", Type: Gauge,
		Help:   "Events that wait for the endpoints.",
		Worry:  "it grows",
		values: ofWebhook(func(w *monitor.Webhooks) float64 { return float64(w.Queued) }),
	},
	{
		Name: "fanfare_webhook_queue_ratio", Type: Gauge,
		Help:   "How full the fullest queue of an endpoint is, from 0 to 1. Beyond 1 the oldest events are dropped.",
		Worry:  "it comes near 1",
		values: ofWebhook(func(w *monitor.Webhooks) float64 { return w.Fullness }),
	},
	{
		Name: "fanfare_webhook_failing_endpoints", Type: Gauge,
		Help:   "Endpoints whose last request has failed, and for which events wait.",
		Worry:  "it stays above 0",
		values: ofWebhook(func(w *monitor.Webhooks) float64 { return float64(w.Failing) }),
	},
	{
		Name: "fanfare_webhook_queued_bytes", Type: Gauge,
		Help:   "The memory for these events, in bytes.",
		values: ofWebhook(func(w *monitor.Webhooks) float64 { return float64(w.QueuedBytes) }),
	},
	{
		Name: "fanfare_webhook_oldest_event_seconds", Type: Gauge,
		Help:   "How long the first of these events has been waiting, in seconds.",
		Worry:  "it grows: the endpoint is down or slow",
		values: ofWebhook(func(w *monitor.Webhooks) float64 { return w.Oldest }),
	},
}

// ofWebhook is the function of a metric that is missing without webhooks.
func ofWebhook(f func(w *monitor.Webhooks) float64) func(*monitor.Snapshot, emit) {
	return optional(func(s *monitor.Snapshot) *monitor.Webhooks { return s.Webhooks }, f)
}

func ofWebhooks(f func(w *monitor.Webhooks) map[string]int64) func(*monitor.Snapshot, emit) {
	return optionalMap(func(s *monitor.Snapshot) *monitor.Webhooks { return s.Webhooks }, f)
}
