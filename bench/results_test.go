package main

import (
	"os"
	"strings"
	"testing"
)

// TestResults holds what the project's README says against the report that is kept: the
// table of it, and each server's lead.
func TestResults(t *testing.T) {
	r, err := readReport("results/report.json")
	if err != nil {
		t.Fatal(err)
	}
	g, ok := r.summary()
	readme, err := os.ReadFile("../README.md")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if table := g.markdown(); !strings.Contains(string(readme), table) {
		t.Errorf("README.md has another table than the report:\n%s", table)
	}
	page, err := os.ReadFile("results/report.md")
	if err != nil || !strings.Contains(string(page), r.origin()) {
		t.Errorf("report.md is of another run than report.json: %v", err)
	}
}
