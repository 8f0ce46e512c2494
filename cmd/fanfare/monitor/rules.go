package monitor

import (
	"fmt"
	"time"
)

// Keep is how long the condition of an alert must have been false before the alert ends: one that comes and goes is one alert.
const Keep = 2 * time.Minute

// The thresholds of the rules.
const (
	nearLimit        = 0.9  // of a limit
	refusalsCapacity = 1    // a second, because the server is at a limit
	refusalsAny      = 10   // a second
	slowConsumers    = 0.1  // a second that are disconnected
	lagLimit         = 0.1  // seconds
	waitLimit        = 0.25 // seconds
	// A certificate should have been renewed when this part of its life is left, or 7 days if that is less. ACME begins when a
	// third is left, and for hours or days nothing is wrong.
	certificatePart = 6
	certificateTime = 7 * 24 * time.Hour
)

// RenewBy returns when a certificate that is valid in that time should have been renewed at the latest.
func RenewBy(from, until time.Time) time.Time {
	return until.Add(-min(certificateTime, max(until.Sub(from), 0)/certificatePart))
}

// Severities of alerts.
const (
	Warning  = "warning"
	Critical = "critical"
)

// Rule says when an operator must look at something.
type Rule struct {
	Name     string
	Severity string
	Summary  string // what is wrong, and what helps
	Expr     string // the same condition for Prometheus
	// For is how long the condition must hold before the alert begins. Conditions that look at the last minute need a whole one:
	// otherwise a single bad second is enough. It is 0 where something is lost already when the condition holds.
	For time.Duration

	// check returns the figures of what is wrong between two states of the server, or "".
	check check
}

type check func(was, now *Snapshot) string

// Rules returns all rules. The caller must not change them.
func Rules() []Rule { return rules }

// RuleNames returns the names of all rules.
func RuleNames() []string {
	var names []string
	for _, r := range rules {
		names = append(names, r.Name)
	}
	return names
}

var rules = []Rule{
	{
		Name: "FanfareMemoryNearLimit", Severity: Critical, For: time.Minute,
		Summary: "the process, or its control group with the kernel's memory for sockets, uses nearly all memory that it may: give it more, or lower -total-pending, -total-logs or -max-conns",
		Expr: share("process_resident_memory_bytes", "fanfare_memory_limit_bytes") + "\nor " +
			share("fanfare_cgroup_memory_bytes", "fanfare_cgroup_memory_limit_bytes"),
		check: either(
			near("memory", func(s *Snapshot) (int64, int64) { return s.Process.RSS, s.Process.MemoryLimit }),
			near("memory of the control group", func(s *Snapshot) (int64, int64) { return s.Process.GroupMemory, s.Process.GroupLimit }),
		),
	},
	{
		Name: "FanfareConnectionsNearLimit", Severity: Warning, For: time.Minute,
		Summary: "nearly as many connections are open as may be: raise -max-conns and the limit of open files, or add a server",
		Expr:    share("fanfare_connections", "fanfare_connections_limit"),
		check:   near("connections", func(s *Snapshot) (int64, int64) { return s.Conns.Open, s.Conns.Limit }),
	},
	{
		Name: "FanfareFilesNearLimit", Severity: Warning, For: time.Minute,
		Summary: "nearly as many descriptors are open as may be: raise the limit of open files (ulimit -n, LimitNOFILE=)",
		Expr:    share("process_open_fds", "process_max_fds"),
		check:   near("open descriptors", func(s *Snapshot) (int64, int64) { return int64(s.Process.Files), int64(s.Process.FileLimit) }),
	},
	{
		Name: "FanfarePendingNearLimit", Severity: Warning, For: time.Minute,
		Summary: "what clients have not read comes near -total-pending, beyond which connections are closed",
		Expr:    share("fanfare_held_bytes", "fanfare_held_limit_bytes"),
		check:   near("pending bytes", func(s *Snapshot) (int64, int64) { return s.Engine.Held, s.Engine.HeldLimit }),
	},
	{
		Name: "FanfareTopicsNearLimit", Severity: Warning, For: time.Minute,
		Summary: "nearly as many topics exist as may: raise -max-topics",
		Expr:    share("fanfare_topics", "fanfare_topics_limit"),
		check:   near("topics", func(s *Snapshot) (int64, int64) { return s.Topics.Open, s.Topics.Limit }),
	},
	{
		Name: "FanfareSubscriptionsNearLimit", Severity: Warning, For: time.Minute,
		Summary: "nearly as many subscriptions exist as may: raise -total-subscriptions",
		Expr:    share("fanfare_subscriptions", "fanfare_subscriptions_limit"),
		check:   near("subscriptions", func(s *Snapshot) (int64, int64) { return s.Topics.Subscriptions, s.Topics.SubscriptionLimit }),
	},
	{
		Name: "FanfareAtCapacity", Severity: Critical, For: time.Minute,
		Summary: "the server refuses clients because it is at a limit (-max-conns, -max-handshakes or -handshake-rate)",
		Expr:    fmt.Sprintf(`sum without (reason) (rate(fanfare_refusals_total{reason=~"full|handshakes|handshake_rate"}[1m])) > %v`, refusalsCapacity),
		check: faster("refusals a second because of limits", refusalsCapacity, func(s *Snapshot) int64 {
			r := s.Conns.Refusals
			return r["full"] + r["handshakes"] + r["handshake_rate"]
		}),
	},
	{
		Name: "FanfareManyRefusals", Severity: Warning, For: time.Minute,
		Summary: "the server refuses many clients, requests or messages; fanfare_refusals_total and the log say why",
		Expr:    fmt.Sprintf(`sum without (reason) (rate(fanfare_refusals_total[1m])) > %v`, refusalsAny),
		check: faster("refusals a second", refusalsAny, func(s *Snapshot) (n int64) {
			for _, of := range s.Conns.Refusals {
				n += of
			}
			return n
		}),
	},
	{
		Name: "FanfareSlowConsumers", Severity: Warning, For: time.Minute,
		Summary: "clients are disconnected because they read too slowly: they, their network or limit= of their topics",
		Expr:    fmt.Sprintf(`rate(fanfare_evicted_subscribers_total[1m]) + rate(fanfare_slow_connections_total[1m]) > %v`, slowConsumers),
		check: faster("slow clients disconnected a second", slowConsumers, func(s *Snapshot) int64 {
			return s.Topics.Evicted + s.Engine.Slow
		}),
	},
	{
		Name: "FanfareShedding", Severity: Critical,
		Summary: "memory for clients is short: the server closes connections, ends requests or drops messages that hold most",
		Expr:    `rate(fanfare_shed_connections_total[1m]) + rate(fanfare_shed_messages_total[1m]) + rate(fanfare_shed_requests_total[1m]) > 0`,
		check: faster("connections, messages and requests shed a second", 0, func(s *Snapshot) int64 {
			return s.Engine.Shed + s.Topics.Shed + int64(s.API.Shed)
		}),
	},
	{
		Name: "FanfareWorkersBlocked", Severity: Critical,
		Summary: "a handler has blocked a worker for over a second; the log names it",
		Expr:    "fanfare_workers_blocked > 0\nor rate(fanfare_blocked_turns_total[1m]) > 0",
		check:   workersBlocked,
	},
	{
		Name: "FanfareLoopLag", Severity: Warning, For: time.Minute,
		Summary: "the event loops run late: the processor is overloaded, or the machine takes it away",
		Expr: fmt.Sprintf("%s > %v\nand rate(fanfare_loop_lag_seconds_count[1m]) >= 1",
			quantile("fanfare_loop_lag_seconds"), lagLimit),
		check: func(was, now *Snapshot) string {
			lag := now.Engine.LoopLag.Since(&was.Engine.LoopLag)
			if float64(lag.Count()) < seconds(was, now) { // at rest a single sample would say much too much
				return ""
			}
			return late("loop lag", lag.Quantile(0.99), lagLimit)
		},
	},
	{
		Name: "FanfareReadyWait", Severity: Warning, For: time.Minute,
		Summary: "connections that are ready wait for a worker: the processor is overloaded, or handlers block",
		Expr:    fmt.Sprintf("%s > %[2]v\nor fanfare_ready_longest_wait_seconds > %[2]v", quantile("fanfare_ready_wait_seconds"), waitLimit),
		check: func(was, now *Snapshot) string {
			waits := now.Engine.ReadyWait.Since(&was.Engine.ReadyWait)
			return late("wait for a worker", max(waits.Quantile(0.99), now.Engine.LongestWait), waitLimit)
		},
	},
	{
		Name: "FanfareBackendDown", Severity: Critical, For: 30 * time.Second,
		Summary: "the backend has failed too often, so it is not asked, or was not for a time in the last minute; its log and that of this server say why",
		// A pause may be over before the next scrape, so what opens counts, too.
		Expr:  "max without (state) (fanfare_hook_breaker{state!=\"closed\"}) == 1\nor rate(fanfare_hook_breaker_opened_total[1m]) > 0",
		check: backendDown,
	},
	{
		Name: "FanfareBrokerDown", Severity: Critical, For: 30 * time.Second,
		Summary: "the server has no link to NATS: publishing fails, and clients get nothing from other nodes; its log says why",
		Expr:    "fanfare_broker_up == 0",
		check: func(_, now *Snapshot) string {
			if now.Broker == nil || now.Broker.Up {
				return ""
			}
			return "no link to NATS"
		},
	},
	{
		Name: "FanfareWebhookQueueNearFull", Severity: Warning, For: time.Minute,
		Summary: "the queue of a webhook is nearly full, and events will be dropped: its endpoint is down or too slow",
		Expr:    fmt.Sprintf("fanfare_webhook_queue_ratio > %v", nearLimit),
		check: func(_, now *Snapshot) string {
			if now.Webhooks == nil || now.Webhooks.Fullness <= nearLimit {
				return ""
			}
			return fmt.Sprintf("queue of a webhook: %.0f %% full, %d events in all", 100*now.Webhooks.Fullness, now.Webhooks.Queued)
		},
	},
	{
		Name: "FanfareWebhookFailing", Severity: Warning, For: time.Minute,
		Summary: "a webhook takes no events, which wait in its queue and are lost in the end: its log and that of this server say why",
		Expr:    "fanfare_webhook_failing_endpoints > 0",
		check: func(_, now *Snapshot) string {
			w := now.Webhooks
			if w == nil || w.Failing == 0 {
				return ""
			}
			return fmt.Sprintf("webhooks whose last request has failed: %d, with the oldest event waiting for %.0f s", w.Failing, w.Oldest)
		},
	},
	{
		Name: "FanfareWebhooksLost", Severity: Critical,
		Summary: "events were not delivered to a webhook: it is down for too long, or its queue is full",
		Expr:    `sum without (result) (rate(fanfare_webhook_events_total{result=~"dead|dropped"}[1m])) > 0`,
		check: faster("events lost a second", 0, func(s *Snapshot) int64 {
			if s.Webhooks == nil {
				return 0
			}
			return s.Webhooks.Events["dead"] + s.Webhooks.Events["dropped"]
		}),
	},
	{
		Name: "FanfareCertificateExpires", Severity: Critical, For: time.Minute,
		Summary: "a certificate expires soon: renew it, or find out from the log why its renewal fails",
		Expr:    "time() - fanfare_certificate_renewal_deadline_timestamp_seconds > 0",
		check: func(_, now *Snapshot) string {
			by, at := now.CertificateRenewBy, now.CertificateExpires
			if by == nil || at == nil || !now.Time.After(*by) {
				return ""
			}
			return "the first certificate expires at " + minute(*at) + ", and one should have been renewed by " + minute(*by)
		},
	},
	{
		Name: "FanfareCertificateMissing", Severity: Critical, For: 2 * time.Minute,
		Summary: "a domain of -acme-domains has never got a certificate, so its handshakes fail or get that of -cert: the log says why",
		Expr:    "fanfare_certificates_missing > 0",
		check: func(_, now *Snapshot) string {
			names := now.CertificatesMissing
			if len(names) == 0 {
				return ""
			}
			return fmt.Sprintf("domains without a certificate: %d, such as %s", len(names), names[0])
		},
	},
}

// minute writes a time for operators.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// share returns the expression of a rule about a share of a limit, which is 0 for none.
func share(of, limit string) string { return fmt.Sprintf("%s / (%s > 0) > %v", of, limit, nearLimit) }

// quantile returns the expression of the 99th percentile of a histogram.
func quantile(name string) string {
	return fmt.Sprintf("histogram_quantile(0.99, rate(%s_bucket[1m]))", name)
}
