package main

import (
	"bytes"
	"flag"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

var update = flag.Bool("update", false, "write the golden files anew")

func ptr[T any](v T) *T { return &v }

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
		t.Errorf("%s differs; after a look at it, go test -update. Got:\n%s", file, got)
	}
}

// sample has a row of each kind.
func sample() *report {
	stage := func(rss float64) *memoryStage {
		return &memoryStage{RSS: rss, PSS: ptr(rss + 1), Kernel: ptr(3500.4)}
	}
	heavy := memoryRow{Server: "heavy", Points: []memoryPoint{
		{1000, stage(20000), stage(21000), stage(19000)}, {5000, stage(18000), stage(19000), stage(18500)},
	}}
	light := memoryRow{Server: "light", Points: []memoryPoint{
		{1000, stage(800), stage(900), nil}, {5000, &memoryStage{RSS: 300}, &memoryStage{RSS: 300}, nil},
	}}
	lossy := memoryRow{Server: "lossy", Points: []memoryPoint{{1000, stage(1), stage(2), nil}}, Faults: []string{"5,000 connections: it took more than 1m0s"}}
	silent := memoryRow{Server: "silent", Faults: []string{"1,000 connections: silent does not listen: no"}}
	heavy.fit()
	light.fit()
	one := &spread{1, 1, 1}
	slow := echoRow{Server: "slow", echoLoad: echoLoad{1000, 1}, PerSecond: &spread{45678, 1234, 50000}, CPU: &spread{13.04, 12, 14.55},
		P50: &spread{21000, 20000, 22000}, P99: &spread{31000, 30000, 1e6}, ServerCPU: &spread{1.5, 1, 2}, ClientCPU: &spread{0.5, 0, 1}}
	fast := slow
	fast.Server, fast.CPU, fast.ServerCPU = "fast", &spread{3, 2, 4}, &spread{0.25, 0, 1}
	failed := echoRow{Server: "failed", echoLoad: echoLoad{1000, 1}, PerSecond: one, CPU: one, P50: one, P99: one, ServerCPU: one, ClientCPU: one,
		Faults: []string{"10 of 10 connections opened, 3 lost; 4 of 9 messages missing; 3 x closed by the server EOF"}}
	return &report{
		Made: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Quick: true, Seconds: 99.6,
		Machine: machine{CPU: "A CPU", Cores: 2, Memory: 24 << 30, Kernel: "Linux 6", Go: "go1.26", Load: 0.5},
		Servers: []about{{"light", "example.org/light", "v1.2.3", "as it is"}},
		Memory:  rankMemory([]memoryRow{lossy, silent, heavy, light}),
		Echo:    rankEcho([]echoRow{failed, slow, fast}),
	}
}

func TestReport(t *testing.T) {
	r := sample()
	golden(t, "report.md", r.markdown([]struct{ Name, Why string }{{"nobody", "nobody knows"}}, []chart{{"memory", "Memory"}}))
	var tables strings.Builder
	if err := r.publish(&options{}, &tables); err != nil {
		t.Fatal(err)
	}
	golden(t, "tables.txt", tables.String())
	if r.clean() {
		t.Error("a report with faults is clean")
	}
}

// TestDescribe finds a version for each server in the program that runs it.
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

// TestFiles writes everything, and draws.
func TestFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "results")
	r := sample()
	if err := r.publish(&options{report: dir, json: filepath.Join(filepath.Dir(dir), "all.json")}, new(strings.Builder)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"report.md", "report.json", "../all.json", "memory.svg", "growth.svg", "memory.png", "growth.png"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		switch filepath.Ext(name) {
		case ".png":
			if _, err := png.Decode(bytes.NewReader(b)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case ".svg":
			if s := string(b); !strings.Contains(s, ">heavy<") || !strings.Contains(s, ">light<") || strings.Contains(s, ">lossy<") {
				t.Errorf("%s does not show those who are ranked, and only them", name)
			}
		}
	}
	empty := &report{Memory: rankMemory([]memoryRow{{Server: "silent", Faults: []string{"no"}}})}
	if err := empty.publish(&options{report: dir}, new(strings.Builder)); err != nil {
		t.Error(err)
	}
}
