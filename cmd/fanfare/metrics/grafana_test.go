package metrics

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/wsproto/script"
)

const (
	grafanaFile    = "../deploy/grafana/fanfare.json"
	grafanaCommand = "go test ./cmd/fanfare/metrics -run TestGrafana -update"
)

// A panel is one of the dashboard. Its queries are expressions and the texts of their legends.
type panel struct {
	title, unit string
	stat        bool // it shows the last value only
	queries     [][2]string
}

type row struct {
	title  string
	panels []panel
}

// notPlotted are the metrics that the dashboard does not show, and why.
var notPlotted = map[string]string{
	"fanfare_build_info": "it is a text",
}

// of returns a query of a gauge; all servers together, by labels if there are any.
func of(name string, by ...string) string { return together(name+"{$S}", by) }

// perSecond returns a query of a counter.
func perSecond(name string, by ...string) string {
	return together("rate("+name+"{$S}[$__rate_interval])", by)
}

func together(expr string, by []string) string {
	if len(by) == 0 {
		return "sum(" + expr + ")"
	}
	return fmt.Sprintf("sum by (%s) (%s)", strings.Join(by, ", "), expr)
}

// byServer returns a query of each server by itself.
func byServer(name string) string { return name + "{$S}" }

// quantiles returns the queries of a histogram.
func quantiles(name string) (all [][2]string) {
	for _, q := range []string{"0.5", "0.9", "0.99"} {
		all = append(all, [2]string{
			fmt.Sprintf("histogram_quantile(%s, sum by (le) (rate(%s_bucket{$S}[$__rate_interval])))", q, name), "quantile " + q,
		})
	}
	return all
}

func lines(title, unit string, queries ...[2]string) panel {
	return panel{title: title, unit: unit, queries: queries}
}

func latest(title, unit, expr string) panel {
	return panel{title: title, unit: unit, stat: true, queries: [][2]string{{expr, ""}}}
}

var rows = []row{
	{"Now", []panel{
		latest("WebSockets", "short", of("fanfare_websockets")),
		latest("Alerts", "short", "sum(fanfare_alert{$S})"),
		latest("Servers that are ready", "short", of("fanfare_ready")),
		latest("Deliveries", "ops", perSecond("fanfare_deliveries_total")),
		latest("Memory of a connection", "bytes", "max(fanfare_memory_per_connection_bytes{$S})"),
		latest("Certificate expires", "s", "min(fanfare_certificate_expiry_timestamp_seconds{$S}) - time()"),
		latest("Certificate to be renewed by", "s", "min(fanfare_certificate_renewal_deadline_timestamp_seconds{$S}) - time()"),
		latest("Certificates missing", "short", "sum(fanfare_certificates_missing{$S})"),
	}},
	{"Connections", []panel{
		lines("Connections", "short", [2]string{of("fanfare_connections"), "open"}, [2]string{of("fanfare_websockets"), "WebSockets"},
			[2]string{of("fanfare_hub_connections"), "to /hub"}, [2]string{of("fanfare_connections_limit"), "limit"}),
		lines("Accepted connections", "ops", [2]string{perSecond("fanfare_connections_accepted_total"), "accepted"}),
		lines("Handshakes by outcome", "ops", [2]string{perSecond("fanfare_handshakes_total", "outcome"), "{{outcome}}"}),
		lines("TLS handshakes by outcome", "ops", [2]string{perSecond("fanfare_tls_handshakes_total", "outcome"), "{{outcome}}"}),
		lines("Handshakes under way", "short", [2]string{of("fanfare_handshakes_running"), "WebSocket"},
			[2]string{of("fanfare_tls_handshakes_running"), "TLS"}, [2]string{of("fanfare_tls_handshakes_waiting"), "TLS, waiting"}),
		lines("Refusals by reason", "ops", [2]string{perSecond("fanfare_refusals_total", "reason"), "{{reason}}"}),
		lines("Refused requests by status", "ops", [2]string{perSecond("fanfare_refused_requests_total", "status"), "{{status}}"}),
		lines("Closes by code", "ops", [2]string{perSecond("fanfare_closes_total", "code", "by"), "{{code}} by {{by}}"}),
		lines("Closes without a close frame", "ops", [2]string{perSecond("fanfare_abnormal_closes_total", "cause"), "{{cause}}"},
			[2]string{perSecond("fanfare_close_timeouts_total"), "close frame not answered"}),
	}},
	{"Traffic", []panel{
		lines("Messages", "ops", [2]string{perSecond("fanfare_received_messages_total"), "received"}, [2]string{perSecond("fanfare_sent_messages_total"), "sent"}),
		lines("Bytes", "Bps", [2]string{perSecond("fanfare_received_bytes_total"), "received"}, [2]string{perSecond("fanfare_sent_bytes_total"), "sent"}),
		lines("Published and delivered", "ops", [2]string{perSecond("fanfare_published_messages_total"), "published"}, [2]string{perSecond("fanfare_deliveries_total"), "delivered"}),
		lines("Compression", "Bps", [2]string{perSecond("fanfare_compression_bytes_total", "direction", "form"), "{{direction}}, {{form}}"}),
		lines("Pings", "ops", [2]string{perSecond("fanfare_pings_total"), "sent"}),
	}},
	{"Latency", []panel{
		lines("Wait for a worker", "s", append(quantiles("fanfare_ready_wait_seconds"), [2]string{"max(fanfare_ready_longest_wait_seconds{$S})", "longest now"})...),
		lines("Lag of the event loops", "s", quantiles("fanfare_loop_lag_seconds")...),
		lines("Fan-out of a batch", "s", quantiles("fanfare_fanout_seconds")...),
		lines("Workers", "short", [2]string{of("fanfare_workers_busy"), "busy"}, [2]string{of("fanfare_workers_blocked"), "blocked"},
			[2]string{of("fanfare_ready_connections"), "connections that wait"}, [2]string{of("fanfare_workers_limit"), "limit"}),
		lines("Turns that blocked a worker", "ops", [2]string{perSecond("fanfare_blocked_turns_total"), "blocked"}),
	}},
	{"Memory", []panel{
		lines("Resident memory", "bytes", [2]string{byServer("process_resident_memory_bytes"), "{{instance}}"}, [2]string{byServer("fanfare_memory_limit_bytes"), "limit of {{instance}}"}),
		lines("Memory of the control group", "bytes", [2]string{byServer("fanfare_cgroup_memory_bytes"), "{{instance}}"}, [2]string{byServer("fanfare_cgroup_memory_limit_bytes"), "limit of {{instance}}"}),
		lines("Memory of a connection", "bytes", [2]string{byServer("fanfare_memory_per_connection_bytes"), "{{instance}}"}),
		lines("What clients have not read", "bytes", [2]string{of("fanfare_pending_bytes"), "pending"}, [2]string{of("fanfare_held_bytes"), "held"}, [2]string{of("fanfare_held_limit_bytes"), "limit"}),
		lines("Topics", "bytes", [2]string{of("fanfare_topic_memory_bytes"), "histories and backlogs"}, [2]string{of("fanfare_topic_memory_limit_bytes"), "limit"},
			[2]string{of("fanfare_presence_bytes"), "presence"}, [2]string{of("fanfare_hub_data_bytes"), "data of clients"}),
		lines("Requests", "bytes", [2]string{of("fanfare_api_held_bytes"), "HTTP"}, [2]string{of("fanfare_api_held_limit_bytes"), "limit for HTTP"},
			[2]string{of("fanfare_hub_waiting_bytes"), "/hub"}, [2]string{of("fanfare_hub_waiting_limit_bytes"), "limit for /hub"}),
		lines("Shed for lack of memory", "ops", [2]string{perSecond("fanfare_shed_connections_total"), "connections"},
			[2]string{perSecond("fanfare_shed_messages_total"), "messages"}, [2]string{perSecond("fanfare_shed_requests_total"), "requests"}),
	}},
	{"Topics", []panel{
		lines("Topics", "short", [2]string{of("fanfare_topics"), "topics"}, [2]string{of("fanfare_topics_limit"), "limit"}),
		lines("Subscriptions", "short", [2]string{of("fanfare_subscriptions"), "subscriptions"}, [2]string{of("fanfare_lagging_subscriptions"), "lagging"},
			[2]string{of("fanfare_subscriptions_limit"), "limit"}),
		lines("Slow clients disconnected", "ops", [2]string{perSecond("fanfare_evicted_subscribers_total"), "subscribers"}, [2]string{perSecond("fanfare_slow_connections_total"), "connections"}),
		lines("Messages dropped for slow clients", "ops", [2]string{perSecond("fanfare_dropped_messages_total", "policy"), "{{policy}}"}),
		lines("Recoveries by outcome", "ops", [2]string{perSecond("fanfare_recoveries_total", "outcome"), "{{outcome}}"}),
		lines("Requests over /hub", "ops", [2]string{perSecond("fanfare_hub_busy_total"), "refused: busy"}, [2]string{perSecond("fanfare_hub_paused_reads_total"), "reading paused"}),
		lines("Idempotency keys", "short", [2]string{of("fanfare_idempotency_keys"), "remembered"}, [2]string{of("fanfare_idempotency_keys_limit"), "limit"}),
		lines("Repeated messages", "ops", [2]string{perSecond("fanfare_idempotency_repeated_total", "result"), "{{result}}"},
			[2]string{perSecond("fanfare_idempotency_forgotten_total"), "keys forgotten early"}),
	}},
	{"Access", []panel{
		lines("Users and identities", "short", [2]string{of("fanfare_users"), "users"}, [2]string{of("fanfare_identified_connections"), "identified connections"},
			[2]string{of("fanfare_expiring_connections"), "expiring connections"}, [2]string{of("fanfare_hub_unauthenticated_connections"), "not identified yet"}),
		lines("Ended identities", "ops", [2]string{perSecond("fanfare_expired_connections_total"), "expired"}, [2]string{perSecond("fanfare_revoked_connections_total"), "revoked"}),
		lines("Revocations in force", "short", [2]string{of("fanfare_revocations"), "revocations"}),
		lines("Rates", "ops", [2]string{perSecond("fanfare_rate_messages_total", "of", "result"), "{{of}}: {{result}}"}),
		lines("Keys of rates", "short", [2]string{of("fanfare_rate_keys", "of"), "{{of}}"}),
	}},
	{"Backend", []panel{
		lines("Calls by result", "ops", [2]string{perSecond("fanfare_hook_calls_total", "hook", "result"), "{{hook}}: {{result}}"}),
		lines("Calls without a request", "ops", [2]string{perSecond("fanfare_hook_cached_calls_total", "hook"), "{{hook}}: cached"}, [2]string{perSecond("fanfare_hook_joined_calls_total", "hook"), "{{hook}}: joined"}),
		lines("Time of a request", "s", [2]string{perSecond("fanfare_hook_request_seconds_total", "hook") + " / " + perSecond("fanfare_hook_requests_total", "hook"), "{{hook}}"}),
		lines("Failures by cause", "ops", [2]string{perSecond("fanfare_hook_failures_total", "hook", "cause"), "{{hook}}: {{cause}}"}),
		lines("Under way", "short", [2]string{of("fanfare_hook_requests_running", "hook"), "{{hook}}: running"}, [2]string{of("fanfare_hook_requests_queued", "hook"), "{{hook}}: queued"},
			[2]string{of("fanfare_hook_calls_waiting", "hook"), "{{hook}}: calls"}),
		lines("Circuit breaker not closed", "short", [2]string{"sum by (hook) (fanfare_hook_breaker{$S,state!=\"closed\"})", "{{hook}}"},
			[2]string{"sum by (hook) (increase(fanfare_hook_breaker_opened_total{$S}[$__rate_interval]))", "{{hook}}: opened"}),
	}},
	{"Webhooks", []panel{
		lines("Events by result", "ops", [2]string{perSecond("fanfare_webhook_events_total", "result"), "{{result}}"}),
		lines("Requests by result", "ops", [2]string{perSecond("fanfare_webhook_requests_total", "result"), "{{result}}"}),
		lines("Queue", "short", [2]string{of("fanfare_webhook_queued_events"), "events"}, [2]string{of("fanfare_webhook_failing_endpoints"), "failing endpoints"}),
		lines("Memory of the queue", "bytes", [2]string{of("fanfare_webhook_queued_bytes"), "bytes"}),
		lines("Fullest queue", "percentunit", [2]string{"max(fanfare_webhook_queue_ratio{$S})", "fullest"}),
		lines("Age of the oldest event", "s", [2]string{"max(fanfare_webhook_oldest_event_seconds{$S})", "oldest"}),
	}},
	{"Cluster", []panel{
		lines("Servers linked to NATS", "short", [2]string{of("fanfare_broker_up"), "linked"}),
		lines("Links and losses", "ops", [2]string{perSecond("fanfare_broker_links_total"), "linked"}, [2]string{perSecond("fanfare_broker_losses_total", "cause"), "lost: {{cause}}"},
			[2]string{perSecond("fanfare_broker_epoch_changes_total"), "stream begun anew"}),
		lines("Time of publishing", "s", quantiles("fanfare_broker_publish_seconds")...),
		lines("Messages that were not published", "ops", [2]string{perSecond("fanfare_broker_publish_failures_total", "result"), "{{result}}"}),
		lines("Messages without an answer", "short", [2]string{of("fanfare_broker_pending_messages"), "messages"}),
		lines("Memory for messages", "bytes", [2]string{of("fanfare_broker_pending_bytes"), "to NATS"}, [2]string{of("fanfare_broker_queue_bytes"), "from NATS"}),
	}},
	{"Process", []panel{
		lines("Processor", "percentunit", [2]string{"rate(process_cpu_seconds_total{$S}[$__rate_interval])", "{{instance}}"}),
		lines("Descriptors", "short", [2]string{byServer("process_open_fds"), "{{instance}}"}, [2]string{byServer("process_max_fds"), "limit of {{instance}}"}),
		lines("Goroutines", "short", [2]string{byServer("go_goroutines"), "{{instance}}"}),
		lines("Heap", "bytes", [2]string{byServer("go_memstats_heap_inuse_bytes"), "{{instance}}"}),
		lines("Alerts of the server itself", "short", [2]string{"fanfare_alert{$S} == 1", "{{instance}}: {{alert}}"}),
	}},
}

// TestGrafana checks that the dashboard is what the tables above say. With -update it writes the file.
func TestGrafana(t *testing.T) {
	want, err := json.MarshalIndent(grafana(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(grafanaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if is, err := os.ReadFile(grafanaFile); err != nil || !bytes.Equal(is, want) {
		t.Errorf("%s is not what rows says (%v). To write it anew, run: %s", grafanaFile, err, grafanaCommand)
	}
}

// Each metric is in the dashboard, or in notPlotted.
func TestPlotted(t *testing.T) {
	for _, m := range All() {
		plotted := slices.ContainsFunc(rows, func(r row) bool {
			return slices.ContainsFunc(r.panels, func(p panel) bool {
				return slices.ContainsFunc(p.queries, func(q [2]string) bool {
					return strings.Contains(q[0], m.Name+"{") || strings.Contains(q[0], m.Name+"_bucket{")
				})
			})
		})
		if _, not := notPlotted[m.Name]; plotted == not {
			t.Errorf("%s: it is plotted: %v; it is in notPlotted: %v", m.Name, plotted, not)
		}
	}
}

type object = map[string]any

// grafana returns the dashboard in the form that Grafana imports.
func grafana() object {
	var panels []object
	id, y := 0, 0
	add := func(p object, x, w, h int) {
		id++
		p["id"], p["gridPos"] = id, object{"x": x, "y": y, "w": w, "h": h}
		panels = append(panels, p)
	}
	for _, r := range rows {
		add(object{"type": "row", "title": r.title, "collapsed": false, "panels": []any{}}, 0, 24, 1)
		y++
		w, h := 8, 8
		if r.panels[0].stat {
			w, h = 4, 4
		}
		for i, p := range r.panels {
			x := i * w % 24
			if i > 0 && x == 0 {
				y += h
			}
			add(p.object(), x, w, h)
		}
		y += h
	}
	variable := func(name, metric string) object {
		return object{
			"name": name, "type": "query", "datasource": datasource, "query": object{"query": metric, "refId": name}, "definition": metric,
			"multi": true, "includeAll": true, "current": object{"text": "All", "value": "$__all"}, "refresh": 2, "sort": 1,
		}
	}
	return object{
		"title": "Fanfare", "uid": "fanfare", "tags": []string{"fanfare"}, "schemaVersion": 39, "editable": true, "refresh": "30s",
		"time": object{"from": "now-1h", "to": "now"}, "timezone": "browser", "graphTooltip": 1, "panels": panels,
		"templating": object{"list": []object{
			{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"},
			variable("job", "label_values(fanfare_build_info, job)"),
			variable("instance", `label_values(fanfare_build_info{job=~"$job"}, instance)`),
		}},
	}
}

var datasource = object{"type": "prometheus", "uid": "${datasource}"}

func (p *panel) object() object {
	typ, custom := "timeseries", object{"fillOpacity": 8, "showPoints": "never"}
	options := object{"legend": object{"displayMode": "list", "placement": "bottom"}, "tooltip": object{"mode": "multi", "sort": "desc"}}
	if p.stat {
		typ, custom, options = "stat", object{}, object{"reduceOptions": object{"calcs": []string{"lastNotNull"}}}
	}
	var targets []object
	for i, q := range p.queries {
		targets = append(targets, object{
			"refId": string(rune('A' + i)), "datasource": datasource, "legendFormat": q[1],
			"expr": strings.ReplaceAll(q[0], "$S", `job=~"$job",instance=~"$instance"`),
		})
	}
	return object{
		"type": typ, "title": p.title, "datasource": datasource, "targets": targets, "options": options,
		"fieldConfig": object{"defaults": object{"unit": p.unit, "min": 0, "custom": custom}, "overrides": []any{}},
	}
}

// TestPromtool has the program of Prometheus parse all expressions of the dashboard.
func TestPromtool(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		script.Need(t, "promtool", "it is in the package prometheus of Debian")
	}
	b := bytes.NewBufferString("groups:\n  - name: dashboard\n    rules:\n")
	n := 0
	for _, r := range rows {
		for _, p := range r.panels {
			for _, q := range p.queries {
				n++
				expr := strings.NewReplacer("$S", `job=~".+"`, "$__rate_interval", "1m").Replace(q[0])
				fmt.Fprintf(b, "      - record: test:%d\n        expr: '%s'\n", n, expr)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if says, err := exec.Command(tool, "check", "rules", file).CombinedOutput(); err != nil || !strings.Contains(string(says), fmt.Sprintf("%d rules found", n)) {
		t.Errorf("%v\n%s", err, says)
	}
}
