package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// report collects verdicts.
type report struct {
	verdicts []verdict
}

func (r *report) add(v verdict) { r.verdicts = append(r.verdicts, v) }

// failed returns the verdicts of failed runs, in the order of the cases.
func (r *report) failed(cases []*Case) (bad []verdict) {
	for _, v := range r.verdicts {
		if v.err != nil {
			bad = append(bad, v)
		}
	}
	place := make(map[*Case]int, len(cases))
	for i, c := range cases {
		place[c] = i
	}
	slices.SortStableFunc(bad, func(a, b verdict) int { return place[a.Case] - place[b.Case] })
	return bad
}

// write writes a table with a line for each group, and then a description of each failure; if verbose is set, with the bytes
// of the connection.
func (r *report) write(w io.Writer, cases []*Case, verbose bool) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "group\t\tcases\truns\tpassed\tfailed\tskipped\t")
	total := count{cases: len(cases)}
	for _, g := range groups {
		n := r.count(g.id, cases)
		if n.cases == 0 {
			continue
		}
		n.row(tw, g.id, g.name)
		total.add(n)
	}
	total.row(tw, "", "all")
	tw.Flush()
	for reason, n := range r.reasons() {
		fmt.Fprintf(w, "\n%d runs were skipped: %s\n", n, reason)
	}
	for _, v := range r.failed(cases) {
		fmt.Fprintf(w, "\n%s (%s): %s (%s)\n    %v\n", v.ID, v.mode, v.What, clause(v.Clause), v.err)
		if verbose && v.trace != nil {
			fmt.Fprintf(w, "    sent %v\n    got  %v\n", &v.trace.out, &v.trace.in)
		}
	}
}

// clause returns a clause with the name of its document.
func clause(c string) string {
	if strings.HasPrefix(c, "RFC") {
		return c
	}
	return "RFC 6455, " + c
}

// count has the numbers of a line in the table.
type count struct{ cases, passed, failed, notRun int }

func (n *count) add(m count) {
	n.passed, n.failed, n.notRun = n.passed+m.passed, n.failed+m.failed, n.notRun+m.notRun
}

func (n *count) row(w io.Writer, id, name string) {
	fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t\n", id, name, n.cases, n.passed+n.failed, n.passed, n.failed, n.notRun)
}

func (r *report) count(group string, cases []*Case) (n count) {
	for _, c := range cases {
		if c.Group() == group {
			n.cases++
		}
	}
	for _, v := range r.verdicts {
		switch {
		case v.Group() != group:
		case v.reason != "":
			n.notRun++
		case v.err != nil:
			n.failed++
		default:
			n.passed++
		}
	}
	return n
}

func (r *report) notRun() (n int) {
	for _, times := range r.reasons() {
		n += times
	}
	return n
}

// reasons returns why runs were skipped, with their number.
func (r *report) reasons() map[string]int {
	reasons := make(map[string]int)
	for _, v := range r.verdicts {
		if v.reason != "" {
			reasons[v.reason]++
		}
	}
	return reasons
}
