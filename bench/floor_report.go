package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// floorReport is the result of the subcommand floor, which -json writes as it is. Times are in microseconds.
type floorReport struct {
	Machine     machine    `json:"machine"`
	Quick       bool       `json:"quick"`
	Rounds      int        `json:"rounds"`
	Seconds     float64    `json:"seconds"`
	SecondsEach float64    `json:"seconds_per_load"`
	Rows        []floorRow `json:"rows"`
	// Loop is the time of the bare server's loop over all sockets in the paced broadcast, and LoopShare the median latency of
	// Fanfare as a multiple of it.
	Loop      spread  `json:"bare_loop"`
	LoopShare float64 `json:"fanfare_latency_to_bare_loop"`
}

// floorRow is a row of the table.
type floorRow struct {
	Load     string       `json:"load"`
	Figure   figure       `json:"figure"`
	Other    floorSide    `json:"other"`
	Fanfare  floorSide    `json:"fanfare"`
	Ratio    float64      `json:"ratio"` // of the medians; 0 if the other's is 0
	Required *requirement `json:"required,omitempty"`
	Met      verdict      `json:"met,omitempty"`
}

// floorSide has one server's figures in a row of the table. A figure that was not measured is nil.
type floorSide struct {
	Server      string  `json:"server"`
	Value       spread  `json:"value"`
	Latency     *spread `json:"latency_p50,omitempty"`
	Voluntary   *spread `json:"voluntary_context_switches,omitempty"`
	Involuntary *spread `json:"involuntary_context_switches,omitempty"`
	Futex       *spread `json:"futex_calls,omitempty"`
}

func (o *floorOptions) newReport() *floorReport {
	return &floorReport{Machine: thisMachine(), Quick: o.quick, Rounds: o.rounds, SecondsEach: o.duration.Seconds()}
}

// fill adds the rows.
func (r *floorReport) fill(pairs []*pair) {
	for _, e := range pairs {
		for _, of := range e.rows {
			row := floorRow{Load: of.title, Figure: of.figure, Other: e.other.figures(&of), Fanfare: e.mine.figures(&of), Required: of.wanted}
			row.Ratio = row.Fanfare.Value.over(row.Other.Value)
			if of.wanted != nil {
				row.Met = of.wanted.verdict(row.Fanfare.Value.Median, row.Other.Value.Median)
			}
			if v := e.other.values[of.place][loop]; len(v) > 0 {
				r.Loop = spreadOf(v)
				r.LoopShare = row.Fanfare.Latency.over(r.Loop)
			}
			r.Rows = append(r.Rows, row)
		}
	}
}

func (s *side) figures(r *pairRow) floorSide {
	of := func(f figure) *spread {
		v := s.values[r.place][f]
		if len(v) == 0 {
			return nil
		}
		found := spreadOf(v)
		return &found
	}
	return floorSide{s.name, *of(r.figure), of(p50), of(voluntary), of(involuntary), of(futexCalls)}
}

// publish writes the table to out and, with -json, the report to a file.
func (r *floorReport) publish(o *floorOptions, out io.Writer) error {
	g := r.table()
	fmt.Fprintf(out, "%s\n\n%s\n", g.title, g.text())
	if r.LoopShare > 0 {
		fmt.Fprintf(out, "The bare server's loop over all sockets takes %s; Fanfare's median latency in the same broadcast is %.2f of it.\n",
			r.Loop.text(milliseconds), r.LoopShare)
	}
	fmt.Fprintln(out, r.verdict())
	if o.json == "" {
		return nil
	}
	return writeJSON(o.json, r)
}

// table has the figures of both servers, and what is required of Fanfare.
func (r *floorReport) table() *grid {
	g := &grid{
		title: fmt.Sprintf("Fanfare beside the bare server: CPU time of the server per message, unless the row says otherwise.\n"+
			"Median (minimum-maximum) of %d rounds in %.0f s, %v s for each load; %s, %d CPUs, load average %.2f before.",
			r.Rounds, r.Seconds, r.SecondsEach, r.Machine.CPU, r.Machine.Cores, r.Machine.Load),
		head: []string{"load", "bare", "Fanfare", "ratio", "required", "met", "context switches, bare", "Fanfare"},
	}
	counted := r.hasFutex()
	if counted {
		g.head = append(g.head, "futex calls, bare", "Fanfare")
	}
	for _, row := range r.Rows {
		required := ""
		if row.Required != nil {
			required = row.Required.text(row.Figure.format)
		}
		cells := []string{
			row.name(), row.Other.Value.text(row.Figure.format), row.Fanfare.Value.text(row.Figure.format), fmt.Sprintf("%.2f x", row.Ratio),
			required, string(row.Met), row.Other.switches(), row.Fanfare.switches(),
		}
		if counted {
			cells = append(cells, row.Other.Futex.rare(), row.Fanfare.Futex.rare())
		}
		g.rows = append(g.rows, cells)
	}
	return g
}

// name is the load and, if they are not those of the table's head, the servers.
func (r *floorRow) name() string {
	if r.Other.Server == bareName && r.Fanfare.Server == fanfareName {
		return r.Load
	}
	return r.Load + ": " + r.Fanfare.Server + " beside " + r.Other.Server
}

func (r *floorReport) hasFutex() bool {
	for _, row := range r.Rows {
		if row.Fanfare.Futex != nil {
			return true
		}
	}
	return false
}

// switches returns the context switches per message, voluntary and involuntary.
func (s *floorSide) switches() string {
	if s.Voluntary == nil || s.Involuntary == nil {
		return ""
	}
	return s.Voluntary.rare() + " + " + s.Involuntary.rare()
}

// rare formats the median of a number that may be far below one; "" if it is unknown.
func (s *spread) rare() string {
	if s == nil {
		return ""
	}
	return strconv.FormatFloat(s.Median, 'f', 4, 64)
}

// verdict names the requirements that are not met.
func (r *floorReport) verdict() string {
	all := 0
	var missed, open []string
	for _, row := range r.Rows {
		if row.Required == nil {
			continue
		}
		all++
		line := fmt.Sprintf("\n  %s: %s, required %s", row.name(), fmt.Sprintf("%s, %.2f x %s", row.Fanfare.Value.text(row.Figure.format), row.Ratio, row.Other.Server),
			row.Required.text(row.Figure.format))
		switch row.Met {
		case unmet:
			missed = append(missed, line)
		case unknown:
			open = append(open, line)
		}
	}
	said := fmt.Sprintf("All %d requirements are met.", all)
	if len(missed)+len(open) > 0 {
		said = fmt.Sprintf("%d of %d requirements are met.", all-len(missed)-len(open), all)
	}
	if len(missed) > 0 {
		said += "\nNOT MET:" + strings.Join(missed, "")
	}
	if len(open) > 0 {
		said += "\nUnknown, because the CPU time is below the kernel's resolution; use a longer -duration:" + strings.Join(open, "")
	}
	if r.Quick {
		said += "\nThis was a quick run, whose figures have more noise than the requirements allow; omit -quick to judge them."
	}
	return said
}

// over returns the ratio of medians, or 0 if there is none, for example because a CPU time is below the kernel's resolution.
func (s spread) over(t spread) float64 {
	if t.Median == 0 {
		return 0
	}
	return s.Median / t.Median
}

// format formats a value of a figure of the table.
func (f figure) format(v float64) string {
	switch f {
	case perSecond:
		return whole(v) + "/s"
	case cpuEach:
		return micros(v)
	}
	return bytesEach(v)
}

// micros formats microseconds with at least three significant digits down to 0.1.
func micros(v float64) string {
	if v < 1 {
		return strconv.FormatFloat(v, 'f', 3, 64) + " µs"
	}
	return hundredths(v) + " µs"
}

func milliseconds(v float64) string { return millis(v) + " ms" }
