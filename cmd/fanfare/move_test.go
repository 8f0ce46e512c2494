package main

import (
	"context"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/metrics"
)

// A scenario makes metrics move in a server.
type scenario struct {
	name  string
	args  []string
	tweak func(*app) // changes what has no flag, before the server listens
	do    func(m *mover)
}

// mover is a server in this process whose metrics are watched.
type mover struct {
	*program
	app    *app
	before map[string]float64 // by series
	moved  map[string]bool    // names of metrics
}

func allScenarios(t *testing.T) []scenario {
	return slices.Concat(connectionScenarios, topicScenarios, slowScenarios, accessScenarios, []scenario{tlsScenario(t), acmeScenario(t), tokenScenario(t), webhookScenario(t), blockScenario(), groupScenario(t)})
}

// Each metric has a scenario that makes it move.
func TestMetricsMove(t *testing.T) {
	all := allScenarios(t)
	moved, left := make(map[string]bool), len(all)+1
	run := func(t *testing.T, s scenario) {
		m := newMover(t, s)
		m.moved = moved
		s.do(m)
		left--
	}
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) { run(t, s) })
	}
	t.Run("cluster", func(t *testing.T) { run(t, clusterScenario(t)) }) // skipped without nats-server
	for _, m := range metrics.All() {
		if left == 0 && !moved[m.Name] && !constant[m.Name] {
			t.Errorf("%s: no scenario makes it move", m.Name)
		}
	}
}

// constant are metrics that cannot move.
var constant = map[string]bool{"fanfare_build_info": true}

func newMover(t *testing.T, s scenario) *mover {
	t.Helper()
	l := config.Load(append([]string{"-addr", "127.0.0.1:0"}, s.args...), nil)
	if l.Inspect(time.Now()); len(l.Problems) > 0 {
		t.Fatal(l.Problems)
	}
	m := &mover{program: &program{t: t}}
	log, _ := logger(&m.stderr, l.Config)
	a, err := newApp(l.Config, log)
	if err != nil {
		t.Fatal(err)
	}
	a.server.Engine.MaxConns = mostConns(&l.Config.Limits)
	if s.tweak != nil {
		s.tweak(a)
	}
	all, err := a.open(t.Context())
	if err != nil {
		a.close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_ = a.hub.Shutdown(ctx)
		_ = a.server.Shutdown(ctx)
		a.close()
	})
	m.addr, m.app = all[0].at.String(), a
	m.before = m.scrape()
	return m
}

var sample = regexp.MustCompile(`(?m)^(fanfare_\S+?(?:\{.*\})?) (\S+)$`)

// scrape returns all series as Prometheus gets them.
func (m *mover) scrape() map[string]float64 {
	w := httptest.NewRecorder()
	metrics.Handler(m.app.watch.Snapshot).ServeHTTP(w, httptest.NewRequest("GET", metricsPath, nil))
	all := make(map[string]float64)
	for _, line := range sample.FindAllStringSubmatch(w.Body.String(), -1) {
		v, err := strconv.ParseFloat(line[2], 64)
		if err != nil {
			m.t.Fatal(err)
		}
		all[line[1]] = v
	}
	if len(all) == 0 {
		m.t.Fatalf("no metrics: %d %s", w.Code, w.Body)
	}
	return all
}

// sum returns the sum of the series of a metric that have the labels: name, or name{label="value",label="value"}.
func sum(all map[string]float64, series string) (total float64) {
	name, labels, _ := strings.Cut(strings.TrimSuffix(series, "}"), "{")
	for s, v := range all {
		is, its, _ := strings.Cut(strings.TrimSuffix(s, "}"), "{")
		if is != name {
			continue
		}
		fits := true
		for want := range strings.SplitSeq(labels, ",") {
			fits = fits && (want == "" || strings.Contains(","+its+",", ","+want+","))
		}
		if fits {
			total += v
		}
	}
	return total
}

// moves waits until each series is greater than it was before the scenario.
func (m *mover) moves(series ...string) {
	m.t.Helper()
	for _, s := range series {
		m.until(s, func() {}, func(now float64) bool { return now > sum(m.before, s) })
	}
}

// is waits until a series has a value, which it had not before the scenario or, for an option, does not have by default.
func (m *mover) is(series string, want float64) {
	m.t.Helper()
	m.until(series, func() {}, func(now float64) bool { return now == want })
}

// movesWith repeats something until the series is greater than it was before the scenario.
func (m *mover) movesWith(do func(), series string) {
	m.t.Helper()
	m.until(series, do, func(now float64) bool { return now > sum(m.before, series) })
}

func (m *mover) until(series string, do func(), cond func(now float64) bool) {
	m.t.Helper()
	if !settles(func() bool { do(); return cond(sum(m.scrape(), series)) }) {
		m.t.Errorf("%s does not move: it was %v and is %v", series, sum(m.before, series), sum(m.scrape(), series))
		return
	}
	name, _, _ := strings.Cut(series, "{")
	m.moved[strings.TrimSuffix(name, "_count")] = true
}
