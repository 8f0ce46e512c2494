package metrics

import "github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"

var serverMetrics = []Metric{
	{
		Name: "fanfare_build_info", Type: Gauge, Labels: []Label{{Name: "version"}},
		Help:   "The version of the server, as the label of the value 1.",
		values: func(s *monitor.Snapshot, emit emit) { emit(1, s.Version) },
	},
	{
		Name: "fanfare_ready", Type: Gauge,
		Help:  "Whether the server takes new clients: 1, or 0 from SIGTERM on.",
		Worry: "it is 0 though nobody stopped the server",
		values: func(s *monitor.Snapshot, emit emit) {
			if s.State == "ready" {
				emit(1)
			} else {
				emit(0)
			}
		},
	},
	{
		Name: "fanfare_alert", Type: Gauge,
		Labels: []Label{{"alert", join(monitor.RuleNames())}, {"severity", "warning, critical"}},
		Help:   "Whether the server itself sees a reason for an alert: 1 or 0, for each alert.",
		Worry:  "it is 1",
		values: func(s *monitor.Snapshot, emit emit) {
			active := make(map[string]bool, len(s.Alerts))
			for _, a := range s.Alerts {
				active[a.Name] = true
			}
			for _, r := range monitor.Rules() {
				v := 0.0
				if active[r.Name] {
					v = 1
				}
				emit(v, r.Name, r.Severity)
			}
		},
	},
	{
		Name: "fanfare_memory_limit_bytes", Type: Gauge,
		Help:   "Memory that the process may use: the smallest of GOMEMLIMIT, the limit of the cgroup and the memory of the machine, in bytes.",
		Worry:  "process_resident_memory_bytes comes near it",
		values: one(func(s *monitor.Snapshot) int64 { return s.Process.MemoryLimit }),
	},
	{
		Name: "fanfare_cgroup_memory_bytes", Type: Gauge,
		Help:   "Memory that counts for the control group of the process, or for one above it that is nearer its limit, in bytes: with the kernel's memory for sockets (version 2), without inactive cache of files; 0 if none has a limit.",
		Worry:  "it comes near fanfare_cgroup_memory_limit_bytes",
		values: one(func(s *monitor.Snapshot) int64 { return s.Process.GroupMemory }),
	},
	{
		Name: "fanfare_cgroup_memory_limit_bytes", Type: Gauge,
		Help:   "The limit of that control group, in bytes; 0 for none.",
		values: one(func(s *monitor.Snapshot) int64 { return s.Process.GroupLimit }),
	},
	{
		Name: "fanfare_memory_per_connection_bytes", Type: Gauge,
		Help:   "Resident memory of the process beyond that of the empty server, for each open connection, in bytes; 0 with fewer than 100.",
		Worry:  "it grows while the connections and their subscriptions stay the same",
		values: one(func(s *monitor.Snapshot) int64 { return s.Process.PerConn }),
	},
	{
		Name: "fanfare_certificate_expiry_timestamp_seconds", Type: Gauge,
		Help: "When the first of the certificates in use expires, in seconds since 1970. The metric is missing if there is no certificate.",
		values: func(s *monitor.Snapshot, emit emit) {
			if s.CertificateExpires != nil {
				emit(float64(s.CertificateExpires.Unix()))
			}
		},
	},
	{
		Name: "fanfare_certificate_renewal_deadline_timestamp_seconds", Type: Gauge,
		Help:  "When the first of the certificates in use should have been renewed, in seconds since 1970: 7 days before it expires, or when a sixth of its life is left. The metric is missing if there is no certificate.",
		Worry: "it is over: the renewal fails",
		values: func(s *monitor.Snapshot, emit emit) {
			if s.CertificateRenewBy != nil {
				emit(float64(s.CertificateRenewBy.Unix()))
			}
		},
	},
	{
		Name: "fanfare_certificates_missing", Type: Gauge,
		Help:   "Domains for which ACME has not got a certificate yet.",
		Worry:  "it stays above 0",
		values: one(func(s *monitor.Snapshot) int { return len(s.CertificatesMissing) }),
	},
}
