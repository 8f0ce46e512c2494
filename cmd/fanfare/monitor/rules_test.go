package monitor

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto/script"
)

const (
	rulesFile     = "../deploy/prometheus/alerts.yml"
	chartFile     = "../deploy/helm/fanfare/alerts.yml" // the same: a chart has no file outside its directory
	updateCommand = "go test ./cmd/fanfare/monitor -run TestRulesFile -update"
)

var update = flag.Bool("update", false, "write "+rulesFile)

// TestRulesFile checks that the alert rules for Prometheus are those of the server. With -update it writes them.
func TestRulesFile(t *testing.T) {
	var want bytes.Buffer
	fmt.Fprintf(&want, rulesHead, updateCommand)
	for _, r := range Rules() {
		writeRule(&want, r)
	}
	for _, file := range []string{rulesFile, chartFile} {
		if *update {
			if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		is, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(is, want.Bytes()) {
			t.Errorf("%s is not what the program has (%v). To write it anew, run: %s", file, err, updateCommand)
		}
	}
}

const rulesHead = `# Alert rules for Prometheus 2.42 or later, with a scrape interval of 15 seconds or less. The server evaluates the same rules itself, apart
# from the first: see docs/metrics.md. This file is generated: %s
groups:
  - name: fanfare
    rules:
      - alert: FanfareDown
        expr: up{job="fanfare"} == 0 or absent(up{job="fanfare"})
        for: 1m
        labels:
          severity: critical
        annotations:
          summary: "{{ with $labels.instance }}{{ . }}: {{ end }}Prometheus cannot scrape the server, or has no server in the job fanfare."
`

func writeRule(b *bytes.Buffer, r Rule) {
	fmt.Fprintf(b, "      - alert: %s\n        expr: |-\n", r.Name)
	for line := range bytes.Lines([]byte(r.Expr + "\n")) {
		fmt.Fprintf(b, "          %s", line)
	}
	if r.For > 0 {
		fmt.Fprintf(b, "        for: %s\n", promDuration(r.For))
	}
	fmt.Fprintf(b, "        keep_firing_for: %s\n", promDuration(Keep))
	fmt.Fprintf(b, "        labels:\n          severity: %s\n", r.Severity)
	fmt.Fprintf(b, "        annotations:\n          summary: %s\n", strconv.Quote("{{ $labels.instance }}: "+sentence(r.Summary)+" Value: {{ $value | humanize }}"))
}

// promDuration writes a duration as Prometheus does.
func promDuration(d time.Duration) string {
	s := strings.TrimSuffix(d.String(), "0s")
	if s == "" || d%time.Minute != 0 {
		return d.String()
	}
	return s
}

// TestPromtool checks the rules with the program of Prometheus, and that each of them fires when it should.
func TestPromtool(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		script.Need(t, "promtool", "it is in the package prometheus of Debian")
	}
	for _, args := range [][]string{{"check", "rules", rulesFile}, {"test", "rules", unitTests(t)}} {
		if says, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, says)
		}
	}
}

// unitTests returns a file of unit tests for promtool: the series of each case make its alert fire after five minutes, and no
// other. The value of a series is sampled every 15 seconds.
func unitTests(t *testing.T) string {
	file, err := filepath.Abs(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	b := bytes.NewBufferString("rule_files: [" + strconv.Quote(file) + "]\nevaluation_interval: 15s\ntests:\n")
	for _, c := range ruleCases {
		fmt.Fprintf(b, "  - name: %s\n    interval: 15s\n    input_series:\n", c.name)
		if c.name != "FanfareDown" {
			fmt.Fprint(b, "      - series: 'up{job=\"fanfare\"}'\n        values: '1x40'\n")
		}
		for _, s := range c.series {
			fmt.Fprintf(b, "      - series: '%s'\n        values: '%s'\n", s[0], s[1])
		}
		fmt.Fprint(b, "    promql_expr_test:\n      - expr: count by (alertname) (ALERTS{alertstate=\"firing\"})\n        eval_time: 5m\n")
		fmt.Fprintf(b, "        exp_samples:\n          - labels: '{alertname=\"%s\"}'\n            value: 1\n", c.name)
	}
	name := filepath.Join(t.TempDir(), "alerts_test.yml")
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// ruleCase makes an alert begin: in the server by a change of its state within a minute, in Prometheus by series.
type ruleCase struct {
	name   string
	change func(s *Snapshot)
	series [][2]string
}

// A buckets is the series of a histogram with a value of 0.5 s, four times in each 15 seconds.
func buckets(name string) [][2]string {
	return [][2]string{
		{name + `_bucket{le="0.25"}`, "0x40"}, {name + `_bucket{le="0.5"}`, "0+20x40"}, {name + `_bucket{le="+Inf"}`, "0+20x40"}, {name + "_count", "0+20x40"},
	}
}

func halfSeconds(n int64) Histogram {
	return Histogram{Bounds: []float64{0.25, 0.5}, Counts: []int64{0, n, 0}, Sum: 0.5 * float64(n)}
}

var ruleCases = []ruleCase{
	{"FanfareDown", nil, [][2]string{{`up{job="fanfare"}`, "0x40"}}},
	{"FanfareDown", nil, [][2]string{{`up{job="prometheus"}`, "1x40"}}}, // nobody tells Prometheus about the server
	{
		"FanfareMemoryNearLimit", func(s *Snapshot) { s.Process.RSS = 91 },
		[][2]string{{"process_resident_memory_bytes", "91x40"}, {"fanfare_memory_limit_bytes", "100x40"}},
	},
	{
		"FanfareMemoryNearLimit", func(s *Snapshot) { s.Process.GroupMemory = 91 },
		[][2]string{
			{"process_resident_memory_bytes", "9x40"}, {"fanfare_memory_limit_bytes", "100x40"},
			{"fanfare_cgroup_memory_bytes", "91x40"}, {"fanfare_cgroup_memory_limit_bytes", "100x40"},
		},
	},
	{
		"FanfareConnectionsNearLimit", func(s *Snapshot) { s.Conns.Open = 91 },
		[][2]string{{"fanfare_connections", "91x40"}, {"fanfare_connections_limit", "100x40"}},
	},
	{
		"FanfareFilesNearLimit", func(s *Snapshot) { s.Process.Files = 91 },
		[][2]string{{"process_open_fds", "91x40"}, {"process_max_fds", "100x40"}},
	},
	{
		"FanfarePendingNearLimit", func(s *Snapshot) { s.Engine.Held = 91 },
		[][2]string{{"fanfare_held_bytes", "91x40"}, {"fanfare_held_limit_bytes", "100x40"}},
	},
	{
		"FanfareTopicsNearLimit", func(s *Snapshot) { s.Topics.Open = 91 },
		[][2]string{{"fanfare_topics", "91x40"}, {"fanfare_topics_limit", "100x40"}},
	},
	{
		"FanfareSubscriptionsNearLimit", func(s *Snapshot) { s.Topics.Subscriptions = 91 },
		[][2]string{{"fanfare_subscriptions", "91x40"}, {"fanfare_subscriptions_limit", "100x40"}},
	},
	{
		"FanfareAtCapacity", func(s *Snapshot) { s.Conns.Refusals["full"] = 61 },
		[][2]string{{`fanfare_refusals_total{reason="full"}`, "0+16x40"}, {`fanfare_refusals_total{reason="token"}`, "0x40"}},
	},
	{
		"FanfareManyRefusals", func(s *Snapshot) { s.Conns.Refusals["token"] = 601 },
		[][2]string{{`fanfare_refusals_total{reason="full"}`, "0x40"}, {`fanfare_refusals_total{reason="token"}`, "0+160x40"}},
	},
	{
		"FanfareSlowConsumers", func(s *Snapshot) { s.Topics.Evicted, s.Engine.Slow = 4, 3 },
		[][2]string{{"fanfare_evicted_subscribers_total", "0+1x40"}, {"fanfare_slow_connections_total", "0+1x40"}},
	},
	{
		"FanfareShedding", func(s *Snapshot) { s.API.Shed = 1 },
		[][2]string{{"fanfare_shed_connections_total", "0x40"}, {"fanfare_shed_messages_total", "0x40"}, {"fanfare_shed_requests_total", "0+1x40"}},
	},
	{
		"FanfareWorkersBlocked", func(s *Snapshot) { s.Engine.BlockedEver++ }, // the turn is over
		[][2]string{{"fanfare_workers_blocked", "0x40"}, {"fanfare_blocked_turns_total", "0+1x40"}},
	},
	{"FanfareLoopLag", func(s *Snapshot) { s.Engine.LoopLag = halfSeconds(60) }, buckets("fanfare_loop_lag_seconds")},
	{"FanfareReadyWait", func(s *Snapshot) { s.Engine.ReadyWait = halfSeconds(1) }, buckets("fanfare_ready_wait_seconds")},
	{
		"FanfareBackendDown", func(s *Snapshot) { s.Hooks["publish"] = Hook{Breaker: "open"} },
		[][2]string{{`fanfare_hook_breaker{hook="publish",state="open"}`, "1x40"}, {`fanfare_hook_breaker{hook="publish",state="closed"}`, "0x40"}},
	},
	{ // it has opened at 4m, and is closed when anybody looks
		"FanfareBackendDown", func(s *Snapshot) { s.Hooks["connect"] = Hook{Breaker: "closed", Opened: 4} },
		[][2]string{
			{`fanfare_hook_breaker{hook="connect",state="open"}`, "0x40"}, {`fanfare_hook_breaker{hook="connect",state="closed"}`, "1x40"},
			{`fanfare_hook_breaker_opened_total{hook="connect"}`, "3x15 4x24"},
		},
	},
	{"FanfareBrokerDown", func(s *Snapshot) { s.Broker.Up = false }, [][2]string{{"fanfare_broker_up", "0x40"}}},
	{"FanfareWebhookQueueNearFull", func(s *Snapshot) { s.Webhooks.Fullness = 0.91 }, [][2]string{{"fanfare_webhook_queue_ratio", "0.91x40"}}},
	{"FanfareWebhookFailing", func(s *Snapshot) { s.Webhooks.Failing = 1 }, [][2]string{{"fanfare_webhook_failing_endpoints", "1x40"}}},
	{
		"FanfareWebhooksLost", func(s *Snapshot) { s.Webhooks.Events["dead"] = 1 },
		[][2]string{{`fanfare_webhook_events_total{result="dead"}`, "0+1x40"}, {`fanfare_webhook_events_total{result="sent"}`, "0+1x40"}},
	},
	{
		"FanfareCertificateExpires", func(s *Snapshot) { at := s.Time.Add(-time.Second); s.CertificateRenewBy = &at },
		[][2]string{{"fanfare_certificate_renewal_deadline_timestamp_seconds", "200x40"}, {"fanfare_certificates_missing", "0x40"}},
	},
	{
		"FanfareCertificateMissing", func(s *Snapshot) { s.CertificatesMissing = []string{"a.example"} },
		[][2]string{{"fanfare_certificate_renewal_deadline_timestamp_seconds", "301x40"}, {"fanfare_certificates_missing", "1x40"}},
	},
}

// sound is a server at work, near the thresholds of all rules.
func sound(at time.Time) Snapshot {
	expires := at.Add(7 * 24 * time.Hour)
	return Snapshot{
		Time: at, CertificateExpires: &expires, CertificateRenewBy: &at,
		Process:  Process{RSS: 90, MemoryLimit: 100, GroupMemory: 90, GroupLimit: 100, Files: 90, FileLimit: 100},
		Conns:    Conns{Open: 90, Limit: 100, Refusals: map[string]int64{"full": 60, "token": 530}},
		Engine:   Engine{Held: 90, HeldLimit: 100, LongestWait: 0.25, Slow: 3, ReadyWait: Histogram{Bounds: []float64{0.25}, Counts: []int64{60, 0}}},
		Topics:   Topics{Open: 90, Limit: 100, Subscriptions: 90, SubscriptionLimit: 100, Evicted: 3},
		Hooks:    map[string]Hook{"connect": {Breaker: "closed", Opened: 3}},
		Broker:   &Broker{Up: true},
		Webhooks: &Webhooks{Fullness: 0.9, Events: map[string]int64{"sent": 100}},
	}
}

// reasons returns the figures of the rules whose conditions hold.
func reasons(was, now *Snapshot) map[string]string {
	all := make(map[string]string)
	for _, r := range Rules() {
		if figures := r.check(was, now); figures != "" {
			all[r.Name] = figures
		}
	}
	return all
}

// Each rule holds when its threshold is exceeded, alone, and with figures; at the threshold none does.
func TestAlerts(t *testing.T) {
	begin := time.Now()
	was := Snapshot{Time: begin, Hooks: map[string]Hook{"connect": {Opened: 3}}}
	for _, r := range Rules() {
		tried := 0
		for _, c := range ruleCases {
			if c.name != r.Name {
				continue
			}
			tried++
			now := sound(begin.Add(time.Minute))
			if all := reasons(&was, &now); len(all) != 0 {
				t.Fatalf("at the thresholds: %v", all)
			}
			c.change(&now)
			if all := reasons(&was, &now); len(all) != 1 || all[r.Name] == "" {
				t.Errorf("%s: %+v", r.Name, all)
			}
		}
		if tried == 0 {
			t.Errorf("%s has no case in ruleCases", r.Name)
		}
	}
}

// The counter of a breaker begins again when a reload changes the options of the backend.
func TestBreakerAfterReload(t *testing.T) {
	was := Snapshot{Hooks: map[string]Hook{"connect": {Breaker: "closed", Opened: 7}}}
	for opened, want := range map[uint64]string{0: "", 2: "circuit breaker: connect (closed again; openings: 2)"} {
		now := Snapshot{Hooks: map[string]Hook{"connect": {Breaker: "closed", Opened: opened}}}
		if got := backendDown(&was, &now); got != want {
			t.Errorf("opened %d times: %q, want %q", opened, got, want)
		}
	}
}

// A certificate is late when 7 days are left, or a sixth of a short life: not when it is fresh, nor when ACME begins to renew it.
func TestRenewBy(t *testing.T) {
	from := time.Unix(1_000_000, 0)
	const day = 24 * time.Hour
	for life, left := range map[time.Duration]time.Duration{
		365 * day: 7 * day, 90 * day: 7 * day, 42 * day: 7 * day, 7 * day: 28 * time.Hour, 160 * time.Hour: 160 * time.Hour / 6, day: 4 * time.Hour, 0: 0, -day: 0,
	} {
		until := from.Add(life)
		if got := until.Sub(RenewBy(from, until)); got != left {
			t.Errorf("of a life of %v, %v are left", life, got)
		}
	}
}

// Each case is one of a rule of the server, but for those that only Prometheus has.
func TestCases(t *testing.T) {
	names := RuleNames()
	for _, c := range ruleCases {
		if c.change != nil && !slices.Contains(names, c.name) {
			t.Errorf("there is no rule %s", c.name)
		}
	}
}

// Limits that are off are never near, nor is anything wrong with an empty server.
func TestNoAlerts(t *testing.T) {
	was, now := Snapshot{}, Snapshot{Time: time.Unix(60, 0)}
	now.Engine.Held = 1 << 40
	if all := reasons(&was, &now); len(all) != 0 {
		t.Errorf("%v", all)
	}
}

const (
	page        = "../docs/metrics.md"
	tableBegins = "<!-- table of all alerts -->\n"
	tableEnds   = "<!-- end of the table -->"
)

// TestPage checks that the documentation has all rules. With -update it writes the table.
func TestPage(t *testing.T) {
	table := "\n| alert | severity | after | what is wrong |\n|---|---|---|---|\n"
	for _, r := range Rules() {
		after := "at once"
		if r.For > 0 {
			after = promDuration(r.For)
		}
		table += fmt.Sprintf("| `%s` | %s | %s | %s |\n", r.Name, r.Severity, after, r.Summary)
	}
	table += "\n"
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(b), tableBegins)
	is, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		t.Fatalf("%s has no %q and %q", page, tableBegins, tableEnds)
	}
	if *update {
		if err := os.WriteFile(page, []byte(before+tableBegins+table+tableEnds+after), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if is != table {
		t.Errorf("%s is not what the program has. To write its table anew, run: go test ./cmd/fanfare/monitor -run TestPage -update", page)
	}
}
