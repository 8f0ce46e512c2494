package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// report is what a run has found: the document of -json, and what tables and charts
// are made of.
type report struct {
	Made    time.Time `json:"made"`
	Quick   bool      `json:"quick"`
	Seconds float64   `json:"seconds"`
	Machine machine   `json:"machine"`
	Servers []about   `json:"servers"`
	// Uncounted says why there are no instructions and cycles.
	Uncounted    string        `json:"counters_missing,omitempty"`
	Measurements []measurement `json:"measurements,omitempty"`
	Simulations  []simulated   `json:"simulations,omitempty"`
}

// about is one of the servers.
type about struct {
	Name    string `json:"name"`
	Module  string `json:"module"`
	Version string `json:"version"`
	Setup   string `json:"setup"`
}

func newReport(o *options) *report {
	return &report{Made: time.Now().UTC().Truncate(time.Second), Quick: o.quick, Machine: thisMachine()}
}

// describe adds the servers, with the versions that are in the program that runs them.
func (r *report) describe(ctx context.Context, o *options, program string) error {
	v, err := versions(ctx, program)
	if err != nil {
		return fmt.Errorf("versions of the servers: %w", err)
	}
	for _, s := range o.servers {
		r.Servers = append(r.Servers, about{s.Name, s.Module, v[s.Module], s.About})
	}
	return nil
}

// clean reports whether all rows are ranked.
func (r *report) clean() bool {
	for _, m := range r.Measurements {
		if slices.ContainsFunc(m.Rows, func(r row) bool { return !r.ranked }) {
			return false
		}
	}
	return true
}

// publish writes the tables to out, and the files that were asked for.
func (r *report) publish(o *options, out io.Writer) error {
	for _, g := range r.grids() {
		fmt.Fprintf(out, "\n%s\n\n%s", g.title, g.text())
	}
	if r.Uncounted != "" {
		fmt.Fprintf(out, "\nNo instructions and cycles: %s.\n", r.Uncounted)
	}
	if o.json != "" {
		if err := writeJSON(o.json, r); err != nil {
			return err
		}
	}
	if o.report == "" {
		return nil
	}
	if err := os.MkdirAll(o.report, 0o755); err != nil {
		return err
	}
	// What the last report had, and this one may not.
	for _, old := range []string{"*.svg", "*.png"} {
		files, _ := filepath.Glob(filepath.Join(o.report, old))
		for _, f := range files {
			if err := os.Remove(f); err != nil {
				return err
			}
		}
	}
	charts, err := r.writeCharts(o.report)
	return errors.Join(err,
		writeJSON(filepath.Join(o.report, "report.json"), r),
		os.WriteFile(filepath.Join(o.report, "report.md"), []byte(r.markdown(servers.LeftOut, charts)), 0o644))
}

func writeJSON(file string, document any) error {
	b, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}
