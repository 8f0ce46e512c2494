package metrics

import "github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"

var accessMetrics = []Metric{
	{
		Name: "fanfare_users", Type: Gauge,
		Help:   "Users who have open connections.",
		values: one(func(s *monitor.Snapshot) int { return s.Access.Users }),
	},
	{
		Name: "fanfare_identified_connections", Type: Gauge,
		Help:   "Open connections with a user, a key or a token.",
		values: one(func(s *monitor.Snapshot) int { return s.Access.Conns }),
	},
	{
		Name: "fanfare_expiring_connections", Type: Gauge,
		Help:   "Open connections whose identity ends at some time.",
		values: one(func(s *monitor.Snapshot) int { return s.Access.Expiring }),
	},
	{
		Name: "fanfare_revocations", Type: Gauge,
		Help:   "Revocations of tokens that are in force.",
		Worry:  "it comes near 65,536: further ones are refused",
		values: one(func(s *monitor.Snapshot) int { return s.Access.Revocations }),
	},
	{
		Name: "fanfare_expired_connections_total", Type: Counter,
		Help:   "Connections that were closed because their token had expired.",
		Worry:  "it grows fast: clients do not refresh their tokens",
		values: one(func(s *monitor.Snapshot) uint64 { return s.Access.Expired }),
	},
	{
		Name: "fanfare_revoked_connections_total", Type: Counter,
		Help:   "Connections that were closed because their token or key was revoked.",
		values: one(func(s *monitor.Snapshot) uint64 { return s.Access.Revoked }),
	},
	{
		Name: "fanfare_rate_messages_total", Type: Counter, Labels: []Label{{"of", "topics, users"}, {"result", "admitted, refused, shared"}},
		Help: "Messages that rates of users and topics have admitted or refused. Those that are shared were admitted from the credit " +
			"that users or topics share when there are too many.",
		Worry: "refused grows: some user or topic is above its rate",
		values: func(s *monitor.Snapshot, emit emit) {
			for of, r := range sorted(s.Rates) {
				emit(float64(r.Taken), of, "admitted")
				emit(float64(r.Refused), of, "refused")
				emit(float64(r.Shared), of, "shared")
			}
		},
	},
	{
		Name: "fanfare_rate_keys", Type: Gauge, Labels: []Label{{"of", "topics, users"}},
		Help:  "Users and topics whose rate the server remembers.",
		Worry: "it stays at 262,144: further ones share a rate",
		values: func(s *monitor.Snapshot, emit emit) {
			for of, r := range sorted(s.Rates) {
				emit(float64(r.Keys), of)
			}
		},
	},
}
