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
	for _, g := range r.grids() {
		fmt.Fprintf(&b, "\n## %s\n\n%s", g.title, g.markdown())
	}
	b.WriteString("\n## What the columns say\n\n" + legend)
	b.WriteString("\n## The servers\n\n| server | module | version | setup |\n|---|---|---|---|\n")
	for _, s := range r.Servers {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", s.Name, s.Module, s.Version, s.Setup)
	}
	for _, l := range leftOut {
		fmt.Fprintf(&b, "\n%s is not here: %s.\n", l.Name, l.Why)
	}
	return b.String()
}

// origin says where and how the figures were made.
func (r *report) origin() string {
	run, m := "A full run", r.Machine
	if r.Quick {
		run = "A quick run (`-quick`: fewer connections, short loads, no rest)"
	}
	return fmt.Sprintf("%s of %.0f seconds, begun %s. %s, %d CPUs that servers and client share, %.1f GiB, %s, %s; load average %.2f before it began.",
		run, r.Seconds, r.Made.Format(time.RFC3339), m.CPU, m.Cores, float64(m.Memory)/(1<<30), m.Kernel, m.Go, m.Load)
}

const legend = `Memory is what each connection adds to the empty server, one run for each number of
connections; "slope" is what RSS grows by for one more, of the line through all of them
(least squares). "kernel socket" is half of what the machine's TCP sockets, their inodes
and files grew by, since both ends of each connection are on it; data in buffers is not
in it. All garbage collectors are at Go's default.

Echo figures are the median of three rounds (minimum-maximum in parentheses), between
which all other servers had their turn. "server CPU" is user and system time of the
server's process. "busier" is who used more of the processors and so set the pace: where it
is the client, messages per second and latency say more about the client than about the
server, and processor time per message is the figure to compare. Where both together
used fewer CPUs than the machine has, other programs had the rest. Rows are ranked by memory
after an echo and by processor time; one that lost or refused anything is not ranked.
`
