package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// tolerated is by how much a figure may be worse than the recorded one.
const tolerated = 1.10

// guarded are the figures that noise hardly touches: by kind, for each connection or
// message. The heap in use is none: it depends on when garbage was collected last.
var guarded = map[kind][]figure{
	memory: {echoed.at(rss)},
	echo:   {userInstructions, kernelInstructions},
}

// readReport reads what a run has written.
func readReport(file string) (*report, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the recorded report: %w; go run -C bench . all -report results writes it", err)
	}
	r := new(report)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("the recorded report %s: %w", file, err)
	}
	for i := range r.Measurements {
		r.Measurements[i].rank()
	}
	return r, nil
}

// check compares with the recorded report and returns what is worse.
func (r *report) check(dir string, out io.Writer) (worse []string, err error) {
	old, err := readReport(filepath.Join(dir, "report.json"))
	if err != nil {
		return nil, err
	}
	if r.Uncounted != "" {
		fmt.Fprintf(out, "\nInstructions are not compared: %s.\n", r.Uncounted)
	}
	fmt.Fprintf(out, "\nBeside the report of %s:\n\n", old.Made.Format("2006-01-02"))
	compared := 0
	for i := range r.Measurements {
		m := &r.Measurements[i]
		before := old.like(m)
		if before == nil {
			continue
		}
		for _, row := range m.Rows {
			was := before.find(row.Server)
			if was == nil || !was.ranked || !row.ranked {
				continue
			}
			for _, f := range guarded[m.Kind] {
				a, known := was.Figures[f]
				b, measured := row.Figures[f]
				if !known || !measured {
					continue
				}
				compared++
				line := fmt.Sprintf("%s, %s: %s is %s, and was %s", m.Title, row.Server, f, whole(b.Median), whole(a.Median))
				// The least of the rounds: others can only add to it.
				if b.Min > a.Median*tolerated {
					worse = append(worse, line)
					line += ": WORSE"
				}
				fmt.Fprintln(out, " ", line)
			}
		}
	}
	if compared == 0 {
		return nil, fmt.Errorf("the report in %s has nothing to compare with: was it made with other numbers of connections?", dir)
	}
	return worse, nil
}

// like is the same load in another report; nil if there is none.
func (r *report) like(m *measurement) *measurement {
	for i := range r.Measurements {
		if o := &r.Measurements[i]; o.Kind == m.Kind && o.Title == m.Title {
			return o
		}
	}
	return nil
}
