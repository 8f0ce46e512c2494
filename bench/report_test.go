package main

import (
	"encoding/xml"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; if the difference is right, run go test -update. Got:\n%s", file, got)
	}
}

func same(v float64) spread { return spread{v, v, v} }

// sample has a row of each kind.
func sample() *report {
	weights := func(n int, light, heavy float64) measurement {
		of := func(name string, v float64) row {
			return row{Server: name, Figures: map[figure]spread{
				connected.at(rss): same(v), echoed.at(rss): {v + 100, v, v + 200}, echoed.at(heap): same(v / 2), settled.at(rss): same(v), echoed.at(goroutines): same(1),
			}}
		}
		m := measurement{load: load{Kind: memory, Title: fmt.Sprint("Memory ", n), Connections: n}, Rows: []row{
			{Server: "lossy", Figures: map[figure]spread{echoed.at(rss): same(2)}, Faults: []string{"it took more than 2m0s"}},
			{Server: "silent", Faults: []string{"silent does not listen: no"}},
			of("heavy", heavy), of("fanfare", light),
		}}
		m.Rows[3].Figures[echoed.at(kernel)], m.Rows[3].Figures[idleCPU] = same(3500.4), same(0.616)
		m.rank()
		return m
	}
	speeds := func(l load, rows ...row) measurement {
		m := measurement{load: l, Rows: rows}
		m.rank()
		return m
	}
	fast := map[figure]spread{perSecond: {45678, 1234, 50000}, cpuEach: {3, 2, 4}, p50: {21000, 20000, 22000}, p99: {31000, 30000, 1e6}, serverCores: same(0.25), clientCores: same(0.5)}
	slow := map[figure]spread{perSecond: same(45678), cpuEach: {13.04, 12, 14.55}, p50: same(21000), p99: same(31000), serverCores: same(1.5), clientCores: same(0.5),
		userInstructions: same(4321.4), kernelInstructions: {5, 4, 6}}
	faster := maps.Clone(fast)
	faster[cpuEach], faster[perSecond] = spread{2.5, 2.1, 2.9}, same(60000)
	return &report{
		Made: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Quick: true, Seconds: 99.6,
		Machine:   machine{CPU: "A CPU", Cores: 2, Memory: 24 << 30, Kernel: "Linux 6", Go: "go1.26", Load: 0.5},
		Servers:   []about{{"fanfare", "example.org/light", "v1.2.3", "as it is"}},
		Uncounted: "somebody else counts",
		Measurements: []measurement{
			weights(1000, 800, 21000), weights(5000, 300, 19000),
			speeds(load{Kind: echo, Title: "Echo: much"},
				row{Server: "failed", Figures: slow, Faults: []string{"10 of 10 connections opened, 3 lost; 4 of 9 messages missing"}},
				row{Server: "heavy", Figures: slow}, row{Server: "fanfare", Figures: fast}, row{Server: "floor", Figures: faster}, row{Server: "faster", Figures: faster}),
			speeds(load{Kind: broadcast, Title: "Broadcast: far", Connections: 1000}, row{Server: "fanfare", Figures: fast, Stalled: "10 still connected"}),
			speeds(load{Kind: broadcast, Title: "Broadcast: near"}, row{Server: "fanfare", Figures: fast}),
			speeds(load{Kind: broadcast, Title: "Broadcast: slowly", Paced: true}, row{Server: "fanfare", Figures: fast}),
			speeds(load{Kind: churn, Title: "Churn", Rounds: 1, Short: true}, row{Server: "fanfare", Figures: fast}),
		},
		Simulations: []simulated{{1000000, same(256), same(100), same(0.1), same(20), spread{30, 25, 35}}},
	}
}

func TestReport(t *testing.T) {
	r := sample()
	golden(t, "report.md", r.markdown([]string{"absent"}, []chart{{"memory", "Memory"}}))
	var tables strings.Builder
	if err := r.publish(&options{}, &tables); err != nil {
		t.Fatal(err)
	}
	golden(t, "tables.txt", tables.String())
}

// TestVerdict distinguishes faults from rows for which there was no time.
func TestVerdict(t *testing.T) {
	timed := func(r row) row { r.Late = errTimeUp.Error(); return r }
	good, lossy := row{Server: "good", Figures: map[figure]spread{cpuEach: same(1)}}, row{Server: "lossy", Faults: []string{"3 lost"}}
	for _, c := range []struct {
		rows        []row
		says, never string
		notes       string
	}{
		{[]row{good}, "", "", ""},
		{[]row{good, lossy}, "lost or refused something in 1 of 2 rows", "time", "lossy is not ranked: 3 lost"},
		{[]row{good, timed(row{Server: "slow"})}, "before 1 of 2 rows were measured", "refused", "slow was not measured: the time of the whole run was over"},
		{[]row{timed(good)}, "", "", "good was not measured in every round: the time"},
		{[]row{timed(lossy), timed(row{Server: "slow"}), good}, "in 1 of 3 rows, which are not ranked; the time was over before 1 of 3", "", "lossy is not ranked"},
	} {
		m := measurement{load: load{Kind: echo}, Rows: c.rows}
		m.rank()
		err := (&report{Measurements: []measurement{m}}).verdict()
		if said := fmt.Sprint(err); (err != nil) != (c.says != "") || c.says != "" && !strings.Contains(said, c.says) || c.never != "" && strings.Contains(said, c.never) {
			t.Errorf("%+v: %v", c.rows, err)
		}
		g := m.speeds()
		if text := g.text(); !strings.Contains(text, c.notes) {
			t.Errorf("no %q in\n%s", c.notes, text)
		}
	}
}

// TestDescribe checks that each server has a version in the program that runs it.
func TestDescribe(t *testing.T) {
	r := new(report)
	if err := r.describe(t.Context(), &options{servers: servers.All}, built.serve); err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Servers {
		if s.Version == "" || s.Module != "github.com/fanfare-ws/fanfare" && !strings.HasPrefix(s.Version, "v") {
			t.Errorf("%s has version %q", s.Name, s.Version)
		}
	}
}

// TestFiles checks the files of a report.
func TestFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "results")
	r := sample()
	if err := r.publish(&options{report: dir, json: filepath.Join(filepath.Dir(dir), "all.json")}, new(strings.Builder)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"report.md", "report.json", "../all.json", "memory.svg", "growth.svg", "cpu.svg", "latency.svg"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(name) == ".svg" {
			checkChart(t, name, b)
		}
	}
	empty := &report{Measurements: []measurement{{load: load{Kind: memory}, Rows: []row{{Server: "silent", Faults: []string{"no"}}}}}}
	if err := empty.publish(&options{report: dir}, new(strings.Builder)); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.svg")); len(left) > 0 {
		t.Errorf("charts of another report: %q", left)
	}
}

// checkChart checks a picture: it has the ranked servers and no others, Fanfare's in another colour, and a dark variant.
func checkChart(t *testing.T, name string, b []byte) {
	t.Helper()
	var all struct {
		Style string `xml:"style"`
		Texts []struct {
			Class string  `xml:"class,attr"`
			Y     float64 `xml:"y,attr"`
			Words string  `xml:",chardata"`
		} `xml:"text"`
		Rects []struct {
			Class string `xml:"class,attr"`
		} `xml:"rect"`
		Lines []struct {
			Class string `xml:"class,attr"`
		} `xml:"path"`
	}
	if err := xml.Unmarshal(b, &all); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	colours := map[string]int{}
	for _, r := range all.Rects {
		colours[r.Class]++
	}
	for _, l := range all.Lines {
		colours[l.Class+"line"]++
	}
	seen := map[string]bool{}
	for _, text := range all.Texts {
		first, _, _ := strings.Cut(text.Words, " ")
		if peer(first) || first == "fanfare" {
			seen[first] = true
		}
		if mine := strings.Contains(text.Class, "ours"); mine != (first == "fanfare") {
			t.Errorf("%s: %q has class %q", name, text.Words, text.Class)
		}
		if strings.HasSuffix(text.Words, " us") {
			t.Errorf("%s: %q", name, text.Words)
		}
	}
	if !seen["heavy"] || !seen["fanfare"] || seen["lossy"] {
		t.Errorf("%s shows %v", name, seen)
	}
	if name == "growth.svg" {
		if colours["oursline"] == 0 && colours["ourslineline"] != 1 || colours["line"] != 1 {
			t.Errorf("%s has lines %v", name, colours)
		}
	} else if colours["ours"] == 0 || colours["other"] == 0 || colours["page"] != 1 {
		t.Errorf("%s has colours %v", name, colours)
	}
	if !strings.Contains(all.Style, "sans-serif") || !strings.Contains(all.Style, "prefers-color-scheme:dark") {
		t.Errorf("%s has the style %s", name, all.Style)
	}
}

// TestGrowthLabels has many servers with almost the same memory: each name must be legible, in the order of the lines.
func TestGrowthLabels(t *testing.T) {
	var all []curve
	for i := range 20 {
		all = append(all, curve{row: new(row), points: [][2]float64{{1000, 100 - float64(i)/100}}})
	}
	all[19].points[0][1] = 1
	const top, bottom = 50, 450
	spreadLabels(all, scaleOf(1, 100, bottom, top), top, bottom)
	for i := range all {
		if all[i].label < top-1 || all[i].label > bottom+1 || i > 0 && all[i].label-all[i-1].label < nameSpace-0.1 {
			t.Errorf("name %d stands at %v", i, all[i].label)
		}
	}
	if all[19].label != bottom {
		t.Errorf("the last stands at %v, and not at the end of its line", all[19].label)
	}
}

func TestSteps(t *testing.T) {
	for _, c := range []struct{ low, high, first, last float64 }{
		{0.89, 782, 0.3, 1000}, {1, 1, 1, 1}, {2, 25, 1, 30}, {4.8, 10, 3, 10}, {0.02, 0.5, 0.01, 1},
	} {
		s := steps(c.low, c.high)
		if near := func(a, b float64) bool { return a > b*0.999 && a < b*1.001 }; !near(s[0], c.first) || !near(s[len(s)-1], c.last) {
			t.Errorf("%v to %v: %v", c.low, c.high, s)
		}
	}
}
