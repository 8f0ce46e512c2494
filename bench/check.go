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
	"strings"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// tolerated is the factor by which a figure may be worse than the recorded one.
const tolerated = 1.10

// someMemory is the total difference of memory that is tolerated, in bytes, whatever it is per connection: that much depends
// on which objects share pages.
const someMemory = 192 << 10

// worse reports whether is, the lowest figure of the rounds, is worse than was by more than m tolerates.
func (m *measurement) worse(is, was float64) bool {
	return is > was*tolerated && (m.Kind != memory || (is-was)*float64(m.Connections) > someMemory)
}

// guarded are the figures with little noise, by kind, per connection or message. Memory is compared after it has settled,
// because before that it depends on the time of the last garbage collection.
var guarded = map[kind][]figure{
	memory: {settled.at(rss), settled.at(objects)},
	echo:   {userInstructions, kernelInstructions},
}

// readReport reads the report that a run has written.
func readReport(file string) (*report, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("recorded report: %w; write it with go run -C bench . all -report results", err)
	}
	r := new(report)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("recorded report %s: %w", file, err)
	}
	for i := range r.Measurements {
		r.Measurements[i].rank()
	}
	return r, nil
}

// compared returns why a figure of machine m cannot be compared with one of machine old, or "" if it can.
func (m *machine) compared(f figure, old *machine) (why string) {
	type trait struct{ name, was, is string }
	traits := []trait{{"Go", release(old.Go), release(m.Go)}}
	switch f {
	case kernelInstructions:
		traits = append(traits, trait{"kernel", old.Kernel, m.Kernel})
		fallthrough
	case userInstructions: // libraries choose code by the features of the processor
		traits = append(traits, trait{"processor", old.CPU, m.CPU})
	default: // the numbers of loops and workers depend on it
		traits = append(traits, trait{"number of processors", fmt.Sprint(old.Cores), fmt.Sprint(m.Cores)})
	}
	for _, t := range traits {
		if t.was != t.is {
			return fmt.Sprintf("%s not compared: the %s was %s and is %s here", f, t.name, t.was, t.is)
		}
	}
	return ""
}

// release returns go1.26 for go1.26.8.
func release(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// heavier is a row that is worse than the recorded one.
type heavier struct{ server, line string }

// check compares r with the recorded report and returns the rows that are worse.
func (r *report) check(old *report, out io.Writer) (worse []heavier, err error) {
	if r.Uncounted != "" {
		fmt.Fprintf(out, "\nInstructions are not compared: %s.\n", r.Uncounted)
	}
	fmt.Fprintf(out, "\nCompared with the report of %s:\n\n", old.Made.Format("2006-01-02"))
	seen := 0
	said := map[string]bool{}
	for i := range r.Measurements {
		m := &r.Measurements[i]
		before := old.like(m)
		if before == nil {
			continue
		}
		for _, f := range guarded[m.Kind] {
			why := r.Machine.compared(f, &old.Machine)
			if why != "" && m.has(f) && !said[why] {
				said[why] = true
				fmt.Fprintln(out, " ", why)
			}
			for _, row := range m.rankedRows() {
				a, b, known := row.beside(before, f)
				if !known {
					continue
				}
				if seen++; why != "" {
					continue
				}
				line := fmt.Sprintf("%s, %s: %s is %s, was %s", m.Title, row.Server, f, whole(b.Min), whole(a.Median))
				if m.worse(b.Min, a.Median) {
					worse = append(worse, heavier{row.Server, line})
					line += ": WORSE"
				}
				fmt.Fprintln(out, " ", line)
			}
		}
	}
	if seen == 0 {
		return nil, errors.New("the recorded report has no figure to compare with; check that it has the same numbers of connections")
	}
	return worse, nil
}

// beside returns the recorded figure of a row and the one of now. The lowest of the rounds counts, because other programs can
// only add to it.
func (r *row) beside(before *measurement, f figure) (was, is spread, known bool) {
	old := before.find(r.Server)
	if old == nil || !old.ranked {
		return was, is, false
	}
	was, known = old.Figures[f]
	is, measured := r.Figures[f]
	return was, is, known && measured
}

// again is the number of times that worse rows are measured again before the check fails.
const again = 2

// guard returns an error if r is worse than the recorded report, also after worse rows were measured again.
func (o *options) guard(ctx context.Context, r *report, out, log io.Writer) error {
	old, err := readReport(filepath.Join(o.results, "report.json"))
	if err != nil {
		return err
	}
	worse, err := r.check(old, out)
	for range again {
		if err != nil || len(worse) == 0 {
			return err
		}
		fmt.Fprintln(out, "\nMeasuring the worse rows again.")
		few := *o
		few.servers = slices.DeleteFunc(slices.Clone(o.servers), func(s servers.Server) bool {
			return !slices.ContainsFunc(worse, func(h heavier) bool { return h.server == s.Name })
		})
		more, err := compare(ctx, &few, log)
		if err != nil {
			return err
		}
		more.fold(r)
		if worse, err = more.check(old, out); err != nil {
			return err
		}
	}
	if len(worse) == 0 {
		return nil
	}
	var lines []string
	for _, h := range worse {
		lines = append(lines, h.line)
	}
	return fmt.Errorf("more than 10 %% worse than recorded:\n  %s", strings.Join(lines, "\n  "))
}

// fold adds the figures of earlier rounds.
func (r *report) fold(earlier *report) {
	for i := range r.Measurements {
		m := &r.Measurements[i]
		e := earlier.like(m)
		if e == nil {
			continue
		}
		for _, row := range m.Rows {
			for _, f := range guarded[m.Kind] {
				if was, is, known := row.beside(e, f); known && was.Min < is.Min {
					is.Min = was.Min
					row.Figures[f] = is
				}
			}
		}
	}
}

// like returns the same load in report r, or nil.
func (r *report) like(m *measurement) *measurement {
	for i := range r.Measurements {
		if o := &r.Measurements[i]; o.Kind == m.Kind && o.Title == m.Title {
			return o
		}
	}
	return nil
}
