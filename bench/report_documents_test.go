package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestDocuments compares the figures in README.md and in the packages' documentation with the recorded report.
func TestDocuments(t *testing.T) {
	r, err := readReport("results/report.json")
	if err != nil {
		t.Fatal(err)
	}
	for i := range documents {
		d := &documents[i]
		content, err := os.ReadFile(filepath.Join("..", d.file))
		if err != nil {
			t.Fatal(err)
		}
		from, to, err := d.place(content)
		if err != nil {
			t.Error(err)
			continue
		}
		if is, want := string(content[from:to]), d.text(r); is != want {
			t.Errorf("%s has other figures than results/report.json; go run -C bench . report writes these. It has\n%s\nand should have\n%s", d.file, is, want)
		}
	}
	page, err := os.ReadFile("results/report.md")
	if err != nil || !strings.Contains(string(page), r.origin()) {
		t.Errorf("report.md is of another run than report.json: %v", err)
	}
}

// TestNoOtherFigures checks that no other place has figures of memory.
func TestNoOtherFigures(t *testing.T) {
	amount := regexp.MustCompile(`[0-9] ?(B|KB|kB)\b`)
	files, err := filepath.Glob("../*/doc.go")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	commands, _ := filepath.Glob("../cmd/*/doc.go")
	for _, file := range append(append(files, commands...), "../README.md", "README.md") {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i := range documents {
			d := &documents[i]
			if filepath.Join("..", d.file) != file {
				continue
			}
			if from, to, err := d.place(content); err == nil {
				content = append(bytes.Clone(content[:from]), content[to:]...)
			}
		}
		for line := range strings.Lines(string(content)) {
			if amount.MatchString(line) {
				t.Errorf("%s has a figure that no command writes: %s", file, line)
			}
		}
	}
}

// TestWriteDocuments checks that only the text between the marks changes.
func TestWriteDocuments(t *testing.T) {
	dir := t.TempDir()
	for _, d := range documents {
		file := filepath.Join(dir, d.file)
		before, _ := os.ReadFile(file)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(before, "before\n"+d.begin+"old, 276 B\n"+d.end+"after\n"...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := sample()
	for range 2 { // the second changes nothing
		if err := r.writeDocuments(dir); err != nil {
			t.Fatal(err)
		}
		for _, d := range documents {
			content, err := os.ReadFile(filepath.Join(dir, d.file))
			if err != nil {
				t.Fatal(err)
			}
			if want := "before\n" + d.begin + d.text(r) + d.end + "after\n"; !strings.Contains(string(content), want) || bytes.Contains(content, []byte("276 B")) {
				t.Errorf("%s is\n%s", d.file, content)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "README.md"), []byte("nothing"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.writeDocuments(dir); err == nil || !strings.Contains(err.Error(), "README.md has no place for figures") {
		t.Error(err)
	}
}

// TestMemoryFigures checks that the figures are those of the table.
func TestMemoryFigures(t *testing.T) {
	r := sample()
	text, table, tls := r.memoryFigures(), r.comparisonFigures(), r.tlsFigures()
	for _, part := range []string{"for each of 5,000 connections", "2 cores, Linux 6, Go 1.26", "connected, and idle        300 B", "after an echo on each      400 B", "the kernel's socket      3,500 B  " + strings.Repeat("█", 45),
		"CPU time each second      0.62 µs, with a ping every 25 s\n"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
	if !strings.Contains(table, "| fanfare | 400 B |") || !strings.Contains(tls, "ws://                400 B") {
		t.Errorf("%s%s", table, tls)
	}
	if strings.Contains(text, "TLS") || strings.Contains(text, "topic") {
		t.Errorf("figures that nobody has measured:\n%s", text)
	}
}

// TestReplace checks that rows that were measured again replace the old ones, and that the report says so.
func TestReplace(t *testing.T) {
	r, more := sample(), sample()
	more.Made = more.Made.Add(24 * time.Hour)
	more.Measurements = more.Measurements[:2]
	m := &more.Measurements[1]
	m.Rows = []row{*m.find("fanfare"), {Server: "fanfare-tls12", Figures: map[figure]spread{echoed.at(rss): same(6000)}}}
	m.Rows[0].Figures = map[figure]spread{echoed.at(rss): same(20000)}
	for range 2 {
		if err := r.replace(more); err != nil {
			t.Fatal(err)
		}
	}
	var order []string
	for _, row := range r.largest().rankedRows() {
		order = append(order, row.Server)
	}
	if got := strings.Join(order, " "); got != "fanfare-tls12 heavy fanfare" {
		t.Errorf("ranked: %s", got)
	}
	if n := len(r.Measurements); n != len(sample().Measurements) {
		t.Errorf("%d measurements", n)
	}
	if o := r.origin(); strings.Count(o, "Measured again: memory of fanfare, in 100 seconds, started 2026-01-03T03:04:05Z") != 1 {
		t.Error(o)
	}
	more.Machine.Cores = 64
	if err := r.replace(more); err == nil || !strings.Contains(err.Error(), "another machine") {
		t.Error(err)
	}
}

// TestRedraw writes the page and the charts of a recorded report again, without measuring.
func TestRedraw(t *testing.T) {
	dir := t.TempDir()
	if err := writeJSON(filepath.Join(dir, "report.json"), sample()); err != nil {
		t.Fatal(err)
	}
	var out, log strings.Builder
	if status := run(t.Context(), []string{"report", "-results", dir, "-documents", ""}, &out, &log); status != 0 {
		t.Fatal(log.String())
	}
	for _, name := range []string{"report.md", "memory.svg", "growth.svg", "cpu.svg", "latency.svg"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if status := run(t.Context(), []string{"report", "-results", filepath.Join(dir, "none")}, &out, &log); status != 1 {
		t.Errorf("without a report the status is %d", status)
	}
}
