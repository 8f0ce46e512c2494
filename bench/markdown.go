package main

import (
	"fmt"
	"strings"
	"time"
)

// markdown is the report as a page. charts are the SVG files beside it, with titles.
func (r *report) markdown(leftOut []struct{ Name, Why string }, charts []chart) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Fanfare beside its peers\n\n%s\n", r.origin())
	for _, c := range charts {
		fmt.Fprintf(&b, "\n![%s](%s.svg)\n", c.title, c.file)
	}
	if g, ok := r.summary(); ok {
		fmt.Fprintf(&b, "\n## %s\n\n%s", g.title, g.markdown())
	}
	for _, g := range r.grids() {
		fmt.Fprintf(&b, "\n## %s\n\n%s", g.title, g.markdown())
	}
	b.WriteString(r.standing())
	b.WriteString("\n## What the columns say\n\n" + legend)
	if r.Uncounted != "" {
		fmt.Fprintf(&b, "\nThere are no instructions and cycles in this report: %s.\n", r.Uncounted)
	}
	b.WriteString("\n## The servers\n\n| server | module | version | setup |\n|---|---|---|---|\n")
	for _, s := range r.Servers {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", s.Name, s.Module, s.Version, s.Setup)
	}
	for _, l := range leftOut {
		fmt.Fprintf(&b, "\n%s is not here: %s.\n", l.Name, l.Why)
	}
	return b.String()
}

// standing is where Fanfare is ahead, and where it is not.
func (r *report) standing() string {
	var b strings.Builder
	if a := r.advantages(); len(a) > 0 {
		fmt.Fprintf(&b, "\n## Memory of the process as a multiple of Fanfare's, with %s connections\n\n%s.\n", comma(r.largest().Connections), strings.Join(a, ", "))
	}
	b.WriteString("\n## Where Fanfare loses\n\n")
	lines := r.losses()
	for _, l := range lines {
		fmt.Fprintf(&b, "- %s\n", l)
	}
	if len(lines) == 0 {
		return b.String() + "Nowhere in this report.\n"
	}
	return b.String() + "\n" + reasons
}

// origin says where and how the figures were made.
func (r *report) origin() string {
	run, m := "A full run", r.Machine
	if r.Quick {
		run = "A quick run (`-quick`: one round, fewer connections, short loads, no rest)"
	}
	origin := fmt.Sprintf("%s of %.0f seconds, begun %s. %s, %d CPUs that servers and client share, %.1f GiB, %s, %s; load average %.2f before it began.",
		run, r.Seconds, r.Made.Format(time.RFC3339), m.CPU, m.Cores, float64(m.Memory)/(1<<30), m.Kernel, m.Go, m.Load)
	for _, a := range r.Again {
		origin += fmt.Sprintf("\n\nMeasured again: %s, in %.0f seconds, begun %s; load average %.2f before.", a.What, a.Seconds, a.Made.Format(time.RFC3339), a.Load)
	}
	return origin
}

const legend = `Memory is what each connection adds to the empty server; "in all" is that of all of them,
and "slope" what RSS grows by for one more, of the line through all numbers of connections
(least squares). Heap, stacks and goroutines are what the server's runtime says. "kernel
socket" is half of what the machine's TCP sockets, their inodes and files grew by, since both
ends of each connection are on it; data in buffers is not in it. All garbage collectors are
at Go's default; "settled" is RSS after the server was made, at the end, to return all garbage
to the system, which none does by itself. A server has all numbers of connections in one
life, one after the other. While one is loaded others rest; PSS shares the program's code
with those who do, whose number changes, so that it is off by some 30 B here.
centrifuge has a protocol of its own and cannot echo: it is weighed after the answer to its
command connect, and subscribed.

All figures are the median of the rounds, with minimum and maximum in parentheses if there
was more than one; between two rounds of a server all others had their turn. "server CPU" is
user and system time of the server's process. Instructions and cycles are the processor's
own counters, of all threads of that process. "bottleneck" is who used more of the
processors and so set the pace. Where it is the client, marked with *, the rate and the
latency say more about the client than about the server, and processor time is the figure
to compare; at a fixed rate it is neither. Where both together used fewer CPUs than the
machine has, other programs had the rest. Rows are ranked by memory after an echo and by
processor time; one that lost or refused anything, or closed what it should not have, is
shown with what it was, and not ranked.
`
