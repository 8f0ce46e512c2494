package metrics

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"
)

// exposed is a metric as a scrape has it.
type exposed struct {
	typ    Type
	labels map[string][]string // the values of each label; nil if the list is not closed
}

var (
	typeLine   = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`)
	sampleLine = regexp.MustCompile(`(?m)^(\w+)(?:\{(.*)\})? \S+$`)
	labelPair  = regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
)

// scraped returns all metrics that a server has, those of the process and of Go included.
func scraped(t *testing.T) map[string]exposed {
	t.Helper()
	w := httptest.NewRecorder()
	Handler(full).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	all := make(map[string]exposed)
	for _, m := range typeLine.FindAllStringSubmatch(w.Body.String(), -1) {
		all[m[1]] = exposed{typ: Type(m[2]), labels: make(map[string][]string)}
	}
	for _, m := range sampleLine.FindAllStringSubmatch(w.Body.String(), -1) {
		name := m[1]
		if _, ok := all[name]; !ok {
			name = strings.TrimSuffix(name, "_bucket")
		}
		for _, l := range labelPair.FindAllStringSubmatch(m[2], -1) {
			if e, ok := all[name]; ok {
				e.labels[l[1]] = nil
			}
		}
	}
	for _, m := range All() {
		for _, l := range m.Labels {
			if _, has := all[m.Name].labels[l.Name]; !has {
				t.Errorf("%s has no label %s", m.Name, l.Name)
			} else if l.Values != "" {
				all[m.Name].labels[l.Name] = strings.Split(l.Values, ", ")
			}
		}
	}
	return all
}

var (
	// A metricUse is the name of a metric in an expression, with what is before it, the labels, and what follows.
	metricUse = regexp.MustCompile(`(\w+\()?\b((?:fanfare|process|go)_\w+)(?:\{([^}]*)\})?(\[)?`)
	matcher   = regexp.MustCompile(`(\w+)(=~|!~|!=|=)"([^"]*)"`)
	byClause  = regexp.MustCompile(`(?:by|without) \(([^)]*)\)`)
)

// ofTarget are labels that Prometheus itself adds.
var ofTarget = []string{"job", "instance"}

// mistakes returns what is wrong with an expression: each metric must exist, be used as its type demands, and have the labels.
func mistakes(all map[string]exposed, expr string) (found []string) {
	wrong := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	uses := metricUse.FindAllStringSubmatch(expr, -1)
	if len(uses) == 0 {
		wrong("no metric")
	}
	known := slices.Clone(ofTarget)
	for _, u := range uses {
		function, name, labels, ranged := u[1], u[2], u[3], u[4] != ""
		counts := strings.HasSuffix(name, "_bucket") || strings.HasSuffix(name, "_count") || strings.HasSuffix(name, "_sum")
		m, ok := all[name]
		if !ok && counts {
			m, ok = all[name[:strings.LastIndexByte(name, '_')]]
			ok = ok && m.typ == Histogram
		}
		if !ok {
			wrong("there is no metric %s", name)
			continue
		}
		if isRate := function == "rate(" || function == "increase("; isRate != (m.typ == Counter || m.typ == Histogram) || isRate != ranged {
			wrong("%s is a %s, and used as %s%s", name, m.typ, function, name)
		}
		for label := range m.labels {
			known = append(known, label)
		}
		for _, l := range matcher.FindAllStringSubmatch(labels, -1) {
			values, has := m.labels[l[1]]
			if !has && !slices.Contains(ofTarget, l[1]) {
				wrong("%s has no label %s", name, l[1])
			}
			for v := range strings.SplitSeq(l[3], "|") {
				if values != nil && !slices.Contains(values, v) {
					wrong("%s of %s is never %q", l[1], name, v)
				}
			}
		}
	}
	for _, by := range byClause.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(by[1], ", ") {
			if !slices.Contains(known, label) && label != "le" {
				wrong("no metric has the label %s", label)
			}
		}
	}
	return found
}

// The alert rules and the dashboard use metrics that exist, as their types demand.
func TestExpressions(t *testing.T) {
	all := scraped(t)
	for _, r := range monitor.Rules() {
		for _, m := range mistakes(all, r.Expr) {
			t.Errorf("%s: %s", r.Name, m)
		}
	}
	text, err := os.ReadFile(grafanaFile)
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, p := range dashboard.Panels {
		for _, q := range p.Targets {
			for _, m := range mistakes(all, q.Expr) {
				t.Errorf("%s: %s: %s", p.Title, q.Expr, m)
			}
			seen++
		}
	}
	if seen < len(All()) {
		t.Errorf("the dashboard has only %d expressions", seen)
	}
}

// Each kind of mistake is found.
func TestMistakes(t *testing.T) {
	all := scraped(t)
	for _, expr := range []string{
		"fanfare_nothing", "rate(fanfare_connections[1m])", "fanfare_closes_total", `rate(fanfare_handshakes_total{outcome="done"}[1m])`,
		`rate(fanfare_handshakes_total{reason="x"}[1m])`, "sum by (reason) (fanfare_topics)", "1", "rate(fanfare_topics_bucket[1m])",
	} {
		if len(mistakes(all, expr)) == 0 {
			t.Errorf("%s passes", expr)
		}
	}
}
