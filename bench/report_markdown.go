package main

import (
	"fmt"
	"strings"
	"time"
)

// markdown returns the report as a page. absent are servers that it does not have, and charts the SVG files beside it.
func (r *report) markdown(absent []string, charts []chart) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Fanfare compared with its peers\n\n%s\n", r.origin())
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
	b.WriteString("\n## The columns\n\n" + legend)
	if r.Uncounted != "" {
		fmt.Fprintf(&b, "\nThis report has no instructions and cycles: %s.\n", r.Uncounted)
	}
	b.WriteString("\n## The servers\n\n| server | module | version | setup |\n|---|---|---|---|\n")
	for _, s := range r.Servers {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", s.Name, s.Module, s.Version, s.Setup)
	}
	if len(absent) > 0 {
		fmt.Fprintf(&b, "\nNot in this run: %s.\n", strings.Join(absent, ", "))
	}
	return b.String()
}

// standing describes where Fanfare is ahead and where it is not.
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

// origin describes how, when and on which machine the figures were measured.
func (r *report) origin() string {
	run, m := "A full run", r.Machine
	if r.Quick {
		run = "A quick run (`-quick`: one round, fewer connections, short loads, no rest)"
	}
	origin := fmt.Sprintf("%s of %.0f seconds, started %s. %s, %d CPUs shared by servers and client, %.1f GiB, %s, %s; load average %.2f before the start.",
		run, r.Seconds, r.Made.Format(time.RFC3339), m.CPU, m.Cores, float64(m.Memory)/(1<<30), m.Kernel, m.Go, m.Load)
	for _, a := range r.Again {
		origin += fmt.Sprintf("\n\nMeasured again: %s, in %.0f seconds, started %s; load average %.2f before.", a.What, a.Seconds, a.Made.Format(time.RFC3339), a.Load)
	}
	return origin
}

const legend = `Memory is what each connection adds to the empty server. "in total" is the sum for all
connections, and "slope" is the growth of RSS per additional connection, from a line through
all numbers of connections (least squares). Heap, stacks and goroutines are figures of the
server's Go runtime. "kernel socket" is half of the growth of the machine's TCP sockets, their
inodes and files, because both ends of each connection are on it; data in buffers is not
included. Garbage collectors have their defaults, except Fanfare's (see the servers below);
"settled" is RSS after the server was made to return all garbage to the system at the end,
which no server does by itself. One process of a server has all numbers of connections, one
after the other. While one server is loaded, others rest; PSS shares the program's code with
these, and their number changes, so it is off by about 30 B here. centrifuge and
centrifugo have their own protocol and cannot echo: they are measured after the answer to their
command connect, with a subscription. The heap of centrifugo, a program of its own, is unknown,
and it is not settled, neither before its clients connect nor at the end.

All figures are the median of the rounds, with minimum and maximum in parentheses if there
was more than one; between two rounds of a server all others had their turn. "server CPU" is
the user and system time of the server's process. Instructions and cycles are hardware
counters of all threads of that process. "bottleneck" is the side that used more CPU time and
so set the pace. Where it is the client, marked with *, the rate and the latency say more
about the client than about the server, and CPU time is the figure to compare; at a fixed
rate it is neither. Where both together used fewer CPUs than the machine has, other programs
had the rest. Rows are ranked by memory after an echo and by CPU time. A server that lost or
refused anything, or closed a connection that it should not have closed, is shown with the
reason and not ranked.
`
