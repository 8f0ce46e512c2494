package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	old, now := sample(), sample()
	var said strings.Builder
	worse, err := now.check(old, &said)
	if err != nil || len(worse) > 0 || !strings.Contains(said.String(), "Instructions are not compared: somebody else counts") {
		t.Errorf("%q, %v\n%s", worse, err, said.String())
	}
	now.Measurements[1].find("fanfare").Figures[settled.at(rss)] = spread{600, 345, 700} // of 300
	now.Measurements[2].find("heavy").Figures[userInstructions] = spread{9000, 4700, 9999}
	worse, err = now.check(old, &said)
	if err != nil || len(worse) != 1 || worse[0].server != "fanfare" || !strings.Contains(worse[0].line, "345, was 300") {
		t.Errorf("%q, %v", worse, err)
	}
	now.fold(sample()) // which is as it was
	if worse, err = now.check(old, &said); err != nil || len(worse) > 0 {
		t.Errorf("%q, %v", worse, err)
	}
	if _, err := new(report).check(old, &said); err == nil || !strings.Contains(err.Error(), "no figure to compare") {
		t.Error(err)
	}
}

// TestCheckElsewhere checks on another machine, where the recorded figures cannot be compared.
func TestCheckElsewhere(t *testing.T) {
	old, now := sample(), sample()
	now.Measurements[1].find("fanfare").Figures[settled.at(rss)] = spread{4000, 4000, 4000}
	now.Machine.Cores += 6
	var said strings.Builder
	worse, err := now.check(old, &said)
	if err != nil || len(worse) > 0 || strings.Count(said.String(), "the number of processors was") != 1 {
		t.Errorf("%q, %v\n%s", worse, err, said.String())
	}
}

func TestWorse(t *testing.T) {
	for _, c := range []struct {
		kind    kind
		n       int
		is, was float64
		worse   bool
	}{
		{echo, 100, 1090, 1000, false},
		{echo, 100, 1110, 1000, true},
		{memory, 5000, 9800, 9000, false},
		{memory, 5000, 9999, 9000, true},
		{memory, 1000, 480, 300, false}, // 180 kB in all
		{memory, 1000, 500, 300, true},
	} {
		m := measurement{load: load{Kind: c.kind, Connections: c.n}}
		if got := m.worse(c.is, c.was); got != c.worse {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestCompared(t *testing.T) {
	old := machine{CPU: "fast", Cores: 2, Kernel: "Linux 6", Go: "go1.26.8"}
	for _, c := range []struct {
		here machine
		not  string // what is not compared
	}{
		{old, ""},
		{machine{CPU: "fast", Cores: 2, Kernel: "Linux 6", Go: "go1.26.9"}, ""},
		{machine{CPU: "fast", Cores: 2, Kernel: "Linux 7", Go: "go1.26.8"}, "kernel"},
		{machine{CPU: "slow", Cores: 2, Kernel: "Linux 6", Go: "go1.26.8"}, "user kernel"},
		{machine{CPU: "fast", Cores: 4, Kernel: "Linux 6", Go: "go1.26.8"}, "memory"},
		{machine{CPU: "fast", Cores: 2, Kernel: "Linux 6", Go: "go1.27"}, "memory user kernel"},
	} {
		for name, f := range map[string]figure{"memory": settled.at(rss), "user": userInstructions, "kernel": kernelInstructions} {
			if why := c.here.compared(f, &old); (why != "") != strings.Contains(c.not, name) {
				t.Errorf("%+v, %s: %q", c.here, name, why)
			}
		}
	}
}

func TestReadReport(t *testing.T) {
	dir := t.TempDir()
	if _, err := readReport(filepath.Join(dir, "report.json")); err == nil || !strings.Contains(err.Error(), "write it with go run -C bench . all -report results") {
		t.Error(err)
	}
	if err := writeJSON(filepath.Join(dir, "report.json"), sample()); err != nil {
		t.Fatal(err)
	}
	r, err := readReport(filepath.Join(dir, "report.json"))
	if err != nil || !r.Measurements[1].find("fanfare").ranked {
		t.Errorf("%+v, %v", r, err)
	}
}
