package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// report is the result of a run. -json writes it as it is; tables and charts are made from it.
type report struct {
	Made    time.Time `json:"made"`
	Quick   bool      `json:"quick"`
	Seconds float64   `json:"seconds"`
	Machine machine   `json:"machine"`
	Servers []about   `json:"servers"`
	// Again describes later runs that have replaced some of the rows.
	Again []remeasured `json:"measured_again,omitempty"`
	// Uncounted says why the report has no instructions and cycles.
	Uncounted    string        `json:"counters_missing,omitempty"`
	Measurements []measurement `json:"measurements,omitempty"`
	Simulations  []simulated   `json:"simulations,omitempty"`
}

// about describes a server.
type about struct {
	Name    string `json:"name"`
	Module  string `json:"module"`
	Version string `json:"version"`
	Setup   string `json:"setup"`
}

func newReport(o *options) *report {
	return &report{Made: time.Now().UTC().Truncate(time.Second), Quick: o.quick, Machine: thisMachine()}
}

// describe adds the servers, with the versions in the program that runs them.
func (r *report) describe(ctx context.Context, o *options, program string) error {
	v, err := versions(ctx, program)
	if err != nil {
		return fmt.Errorf("versions of the servers: %w", err)
	}
	for _, s := range o.servers {
		r.Servers = append(r.Servers, about{s.Name, s.Module, cmp.Or(s.Program, v[s.Module]), s.About})
	}
	return nil
}

// absent returns the servers of this program that the report does not have.
func (r *report) absent() (names []string) {
	for _, name := range servers.Names() {
		if !slices.ContainsFunc(r.Servers, func(a about) bool { return a.Name == name }) {
			names = append(names, name)
		}
	}
	return names
}

// late reports whether there was no time to measure a row that has no faults.
func (r *row) late() bool { return r.Late != "" && !r.ranked && len(r.Faults) == 0 }

// verdict returns an error if some rows are not ranked because of faults or for lack of time.
func (r *report) verdict() error {
	faulty, late, all := 0, 0, 0
	for _, m := range r.Measurements {
		for i := range m.Rows {
			switch all++; {
			case m.Rows[i].late():
				late++
			case !m.Rows[i].ranked:
				faulty++
			}
		}
	}
	var said []string
	if faulty > 0 {
		said = append(said, fmt.Sprintf("servers lost or refused something in %d of %d rows, which are not ranked", faulty, all))
	}
	if late > 0 {
		said = append(said, fmt.Sprintf("the time was over before %d of %d rows were measured; choose fewer -servers, or omit -quick", late, all))
	}
	if len(said) == 0 {
		return nil
	}
	return errors.New(strings.Join(said, "; "))
}

// publish writes the tables to out, and the files of -json and -report.
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
	return r.write(o.report)
}

// write writes report.md, report.json and the charts into a directory.
func (r *report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// Remove the charts of the previous report, because this one may have fewer.
	old, _ := filepath.Glob(filepath.Join(dir, "*.svg"))
	for _, f := range old {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	charts, err := r.writeCharts(dir)
	return errors.Join(err,
		writeJSON(filepath.Join(dir, "report.json"), r),
		os.WriteFile(filepath.Join(dir, "report.md"), []byte(r.markdown(r.absent(), charts)), 0o644))
}

func writeJSON(file string, document any) error {
	b, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}
