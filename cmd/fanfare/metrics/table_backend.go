package metrics

import "github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"

const hookNames = "connect, publish, subscribe"

var backendMetrics = []Metric{
	{
		Name: "fanfare_hook_calls_total", Type: Counter,
		Labels: []Label{{"hook", hookNames}, {"result", "busy, cancelled, failed, fallback, granted, refused"}},
		Help:   "Questions to the backend, by hook and result; fallback: granted by the configuration because the backend was down.",
		Worry:  "failed, busy or fallback grow",
		values: ofHooks(func(h *monitor.Hook) map[string]uint64 { return h.Results }),
	},
	{
		Name: "fanfare_hook_cached_calls_total", Type: Counter, Labels: []Label{{"hook", hookNames}},
		Help:   "Calls that an answer in the cache has decided.",
		values: ofHook(func(h *monitor.Hook) uint64 { return h.Cached }),
	},
	{
		Name: "fanfare_hook_joined_calls_total", Type: Counter, Labels: []Label{{"hook", hookNames}},
		Help:   "Calls that have shared the request of another.",
		values: ofHook(func(h *monitor.Hook) uint64 { return h.Joined }),
	},
	{
		Name: "fanfare_hook_requests_total", Type: Counter, Labels: []Label{{"hook", hookNames}},
		Help:   "Requests to the backend.",
		values: ofHook(func(h *monitor.Hook) uint64 { return h.Requests }),
	},
	{
		Name: "fanfare_hook_request_seconds_total", Type: Counter, Labels: []Label{{"hook", hookNames}},
		Help:   "The time that these requests have taken together, in seconds.",
		Worry:  "divided by fanfare_hook_requests_total it grows: the backend is slow",
		values: ofHook(func(h *monitor.Hook) float64 { return h.RequestTime }),
	},
	{
		Name: "fanfare_hook_failures_total", Type: Counter,
		Labels: []Label{{"hook", hookNames}, {"cause", "answer, status, timeout, unreachable"}},
		Help:   "Requests that have failed, by cause; status and answer: the backend has answered, but not as it should.",
		Worry:  "it grows",
		values: ofHooks(func(h *monitor.Hook) map[string]uint64 { return h.Failures }),
	},
	{
		Name: "fanfare_hook_requests_running", Type: Gauge, Labels: []Label{{"hook", hookNames}},
		Help:   "Requests to the backend that are under way.",
		Worry:  "it stays at the limit of concurrent requests",
		values: ofHook(func(h *monitor.Hook) int { return h.Running }),
	},
	{
		Name: "fanfare_hook_requests_queued", Type: Gauge, Labels: []Label{{"hook", hookNames}},
		Help:   "Requests that wait because too many are under way.",
		Worry:  "it stays above 0",
		values: ofHook(func(h *monitor.Hook) int { return h.Queued }),
	},
	{
		Name: "fanfare_hook_calls_waiting", Type: Gauge, Labels: []Label{{"hook", hookNames}},
		Help:   "Calls that wait for an answer.",
		values: ofHook(func(h *monitor.Hook) int { return h.Waiting }),
	},
	{
		Name: "fanfare_hook_breaker", Type: Gauge, Labels: []Label{{"hook", hookNames}, {"state", "closed, open, probing"}},
		Help:  "The state of the circuit breaker: 1 for the state that it is in, and 0 for the others. The backend is asked if it is closed.",
		Worry: "open is 1: the backend is down",
		values: func(s *monitor.Snapshot, emit emit) {
			for hook, h := range sorted(s.Hooks) {
				for _, state := range []string{"closed", "open", "probing"} {
					v := 0.0
					if h.Breaker == state {
						v = 1
					}
					emit(v, hook, state)
				}
			}
		},
	},
	{
		Name: "fanfare_hook_breaker_opened_total", Type: Counter, Labels: []Label{{"hook", hookNames}},
		Help:   "How often the circuit breaker has opened, failed probes included.",
		Worry:  "it grows",
		values: ofHook(func(h *monitor.Hook) uint64 { return h.Opened }),
	},
}

// ofHook is the function of a metric with a value for each hook.
func ofHook[N number](f func(h *monitor.Hook) N) func(*monitor.Snapshot, emit) {
	return func(s *monitor.Snapshot, emit emit) {
		for hook, h := range sorted(s.Hooks) {
			emit(float64(f(&h)), hook)
		}
	}
}

// ofHooks is the function of a metric with a value for each hook and each key of a map.
func ofHooks(f func(h *monitor.Hook) map[string]uint64) func(*monitor.Snapshot, emit) {
	return func(s *monitor.Snapshot, emit emit) {
		for hook, h := range sorted(s.Hooks) {
			for key, n := range sorted(f(&h)) {
				emit(float64(n), hook, key)
			}
		}
	}
}
