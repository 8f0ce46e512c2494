package metrics

import (
	"bytes"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"
	"github.com/fanfare-ws/fanfare/netpoll/histogram"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

const (
	page          = "../docs/metrics.md"
	updateCommand = "go test ./cmd/fanfare/metrics -run TestPage -update"
	tableBegins   = "<!-- table of all metrics -->\n"
	tableEnds     = "<!-- end of the table -->"
)

var update = flag.Bool("update", false, "write the table of "+page)

func TestMain(m *testing.M) { netpolltest.Main(m, func() {}) }

// full is a state of a server that has everything.
func full() monitor.Snapshot {
	var of histogram.Histogram
	of.Observe(time.Millisecond)
	of.Observe(time.Hour)
	some := of.Snapshot()
	h := monitor.HistogramOf(&some)
	expires := time.Unix(2_000_000_000, 0)
	hook := monitor.Hook{
		Results: map[string]uint64{"granted": 1}, Failures: map[string]uint64{"timeout": 2}, Breaker: "open", RequestTime: 1.5,
	}
	return monitor.Snapshot{
		Time: time.Now(), Version: "v1", State: "ready", CertificateExpires: &expires, CertificateRenewBy: &expires,
		Conns: monitor.Conns{
			Outcomes: map[string]int64{"opened": 7}, TLS: map[string]int64{"done": 1}, Refusals: map[string]int64{"full": 1},
			Statuses: map[string]int64{"404": 1}, Abnormal: map[string]int64{"lost": 1},
			Closes: map[string]int64{"1000": 5, "1006": 3}, ClosesByPeer: map[string]int64{"1000": 2},
		},
		Engine: monitor.Engine{ReadyWait: h, LoopLag: h},
		Topics: monitor.Topics{Fanout: h, Drops: map[string]int64{"conflate": 1}},
		Hub:    monitor.Sessions{Recoveries: map[string]int64{"resumed": 1}},
		Once:   monitor.Once{Repeated: map[string]int64{"replayed": 1}},
		Rates:  map[string]monitor.Rate{"users": {Taken: 1}},
		Hooks:  map[string]monitor.Hook{"connect": hook},
		Webhooks: &monitor.Webhooks{
			Events: map[string]int64{"sent": 1}, Requests: map[string]int64{"ok": 1},
		},
		Broker: &monitor.Broker{Up: true, Losses: map[string]int64{"gap": 1}, Failures: map[string]int64{"refused": 1}, RoundTrip: h},
		Alerts: []monitor.Alert{{Name: "FanfareLoopLag", Severity: monitor.Warning}},
	}
}

// Prometheus accepts all metrics, and has nothing to say about their names, types and texts.
func TestLint(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(newCollector(full)); err != nil {
		t.Fatal(err)
	}
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(All()) {
		t.Errorf("%d of %d metrics were gathered", len(all), len(All()))
	}
	problems, err := promlint.NewWithMetricFamilies(all).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, m := range All() {
		if !strings.HasPrefix(m.Name, Prefix) || !strings.HasSuffix(m.Help, ".") || strings.HasSuffix(m.Worry, ".") {
			t.Errorf("%s: %q, %q", m.Name, m.Help, m.Worry)
		}
		if strings.Contains(m.Name, "seconds") != strings.Contains(m.Help, "seconds") {
			t.Errorf("%s: the unit is not in both name and help: %s", m.Name, m.Help)
		}
	}
}

// Each value of a label is in the list of its values, if that is closed.
func TestLabels(t *testing.T) {
	s := full()
	for _, m := range All() {
		if m.Type == Histogram {
			continue
		}
		m.values(&s, func(_ float64, labels ...string) {
			for i, v := range labels {
				if l := m.Labels[i]; l.Values != "" && !slices.Contains(strings.Split(l.Values, ", "), v) {
					t.Errorf("%s: %s=%q is not one of %s", m.Name, l.Name, v, l.Values)
				}
			}
		})
	}
}

// A scrape has the state of the server at that moment.
func TestHandler(t *testing.T) {
	taken := 0
	h := Handler(func() monitor.Snapshot { taken++; return full() })
	if taken != 0 {
		t.Error("a state was taken before the first scrape")
	}
	text := scrape(t, h, "", "text/plain")
	for _, line := range []string{
		`fanfare_handshakes_total{outcome="opened"} 7`, `fanfare_closes_total{by="server",code="1000"} 3`, `fanfare_closes_total{by="none",code="1006"} 3`,
		`fanfare_hook_breaker{hook="connect",state="open"} 1`, `fanfare_hook_breaker{hook="connect",state="closed"} 0`,
		`fanfare_fanout_seconds_bucket{le="+Inf"} 2`, `fanfare_fanout_seconds_bucket{le="0.001048576"} 1`, `fanfare_fanout_seconds_count 2`,
		`fanfare_alert{alert="FanfareLoopLag",severity="warning"} 1`, `fanfare_certificate_expiry_timestamp_seconds 2e+09`,
		"process_resident_memory_bytes ", "go_goroutines ",
	} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("it does not have %q", line)
		}
	}
	if open := scrape(t, h, "application/openmetrics-text", "application/openmetrics-text"); !strings.HasSuffix(open, "# EOF\n") {
		t.Errorf("OpenMetrics without an end: %q", open[max(len(open)-100, 0):])
	}
	if taken != 2 {
		t.Errorf("%d states for 2 scrapes", taken)
	}
}

func scrape(t *testing.T, h http.Handler, accept, typ string) string {
	t.Helper()
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), typ) {
		t.Errorf("%q: %d %s", accept, w.Code, w.Header())
	}
	return w.Body.String()
}

// TestPage checks that the documentation has all metrics. With -update it writes the table.
func TestPage(t *testing.T) {
	var table bytes.Buffer
	table.WriteByte('\n')
	WriteTable(&table)
	table.WriteByte('\n')
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
		whole := before + tableBegins + table.String() + tableEnds + after
		if err := os.WriteFile(page, []byte(whole), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if is != table.String() {
		t.Errorf("%s is not what the program has. To write its table anew, run: %s", page, updateCommand)
	}
}
