package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// grid is a table, for the terminal or for Markdown. Its first column is text, and
// the others are figures.
type grid struct {
	title string
	head  []string
	rows  [][]string
	notes []string // below it: rows that are not ranked
}

// grids are all tables of the report.
func (r *report) grids() []grid {
	var all []grid
	if len(r.Memory) > 0 {
		all = append(all, r.weights(), r.growth())
	}
	for _, l := range r.echoLoads() {
		all = append(all, r.speeds(l))
	}
	return all
}

// weights is the memory at the most connections.
func (r *report) weights() grid {
	most, rested := r.most()
	g := grid{
		title: fmt.Sprintf("Memory for each of %s connections", comma(most)),
		head:  []string{"server", "RSS, connected", "RSS, after an echo", "PSS, after an echo", "kernel socket", "slope of RSS"},
	}
	if rested {
		g.head = append(g.head, "RSS, rested 20 s")
	}
	for i := range r.Memory {
		m := &r.Memory[i]
		g.unranked(m.Server, m.Faults)
		p := m.at(most)
		if p == nil || p.Connected == nil || p.Echoed == nil {
			continue
		}
		row := []string{
			shown(m.Server, m.ranked()), bytesEach(p.Connected.RSS), bytesEach(p.Echoed.RSS),
			maybe(p.Echoed.PSS), maybe(p.Echoed.Kernel), maybe(m.Slope),
		}
		switch {
		case rested && p.Rested != nil:
			row = append(row, bytesEach(p.Rested.RSS))
		case rested:
			row = append(row, "unknown")
		}
		g.rows = append(g.rows, row)
	}
	return g
}

// most is the largest number of connections, and whether anybody was left to rest.
func (r *report) most() (n int, rested bool) {
	for _, m := range r.Memory {
		for _, p := range m.Points {
			n = max(n, p.Connections)
			rested = rested || p.Rested != nil
		}
	}
	return n, rested
}

// shown is the name of a server in a table.
func shown(name string, ranked bool) string {
	if ranked {
		return name
	}
	return name + " (not ranked)"
}

// growth is RSS for each connection over their number.
func (r *report) growth() grid {
	g := grid{title: "RSS for each connection, after an echo on each, by the number of connections", head: []string{"server"}}
	var sizes []int
	for _, m := range r.Memory {
		for _, p := range m.Points {
			sizes = append(sizes, p.Connections)
		}
	}
	slices.Sort(sizes)
	sizes = slices.Compact(sizes)
	for _, n := range sizes {
		g.head = append(g.head, comma(n))
	}
	for i := range r.Memory {
		m := &r.Memory[i]
		row := []string{shown(m.Server, m.ranked())}
		for _, n := range sizes {
			if p := m.at(n); p != nil && p.Echoed != nil {
				row = append(row, bytesEach(p.Echoed.RSS))
			} else {
				row = append(row, "unknown")
			}
		}
		g.rows = append(g.rows, row)
	}
	return g
}

// echoLoads are those of the rows, in their order.
func (r *report) echoLoads() []echoLoad {
	var all []echoLoad
	for _, e := range r.Echo {
		if len(all) == 0 || all[len(all)-1] != e.echoLoad {
			all = append(all, e.echoLoad)
		}
	}
	return all
}

func (r *report) speeds(l echoLoad) grid {
	g := grid{
		title: fmt.Sprintf("Echo of 128 bytes: %v", l),
		head:  []string{"server", "server CPU, us/message", "messages/s", "p50, ms", "p99, ms", "CPUs, server + client", "busier"},
	}
	for i := range r.Echo {
		e := &r.Echo[i]
		if e.echoLoad != l {
			continue
		}
		g.unranked(e.Server, e.Faults)
		if e.PerSecond != nil {
			g.rows = append(g.rows, []string{
				shown(e.Server, e.ranked()), e.CPU.text(tenths), e.PerSecond.text(whole), e.P50.text(millis), e.P99.text(millis),
				fmt.Sprintf("%.2f + %.2f", e.ServerCPU.Median, e.ClientCPU.Median), e.bottleneck(),
			})
		}
	}
	return g
}

// unranked notes what went wrong.
func (g *grid) unranked(name string, faults []string) {
	for _, f := range faults {
		g.notes = append(g.notes, fmt.Sprintf("%s is not ranked: %s", name, f))
	}
}

func (g *grid) text() string {
	widths := make([]int, len(g.head))
	for _, row := range append([][]string{g.head}, g.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range append([][]string{g.head}, g.rows...) {
		fmt.Fprintf(&b, "  %-*s", widths[0], row[0])
		for i, cell := range row[1:] {
			fmt.Fprintf(&b, "  %*s", widths[i+1], cell)
		}
		b.WriteByte('\n')
	}
	for _, n := range g.notes {
		fmt.Fprintf(&b, "  %s\n", n)
	}
	return b.String()
}

func (g *grid) markdown() string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(g.head)
	b.WriteString("|---" + strings.Repeat("|---:", len(g.head)-1) + "|\n")
	for _, row := range g.rows {
		line(row)
	}
	for _, n := range g.notes {
		fmt.Fprintf(&b, "\n%s\n", n)
	}
	return b.String()
}
