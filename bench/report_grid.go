package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// grid is a table for the terminal or for Markdown. Its first column is text; the others are figures.
type grid struct {
	title string
	head  []string
	rows  [][]string
	notes []string // printed below it, for example about rows that are not ranked
}

// grids returns all tables of the report.
func (r *report) grids() []grid {
	var all []grid
	if w := r.weighed(); len(w) > 0 {
		all = append(all, r.weights(&w[len(w)-1]), r.growth(w))
	}
	for i := range r.Measurements {
		if m := &r.Measurements[i]; m.Kind != memory {
			all = append(all, m.speeds())
		}
	}
	if len(r.Simulations) > 0 {
		all = append(all, r.simulated())
	}
	if r.canPlan() {
		all = append(all, r.plan())
	}
	return all
}

// column is a figure in a table.
type column struct {
	head   string
	figure figure
	text   func(spread) string
}

// has reports whether any row has the figure.
func (m *measurement) has(f figure) bool {
	return slices.ContainsFunc(m.Rows, func(r row) bool { _, ok := r.Figures[f]; return ok })
}

// table returns a grid with the columns for which a row has a figure.
func (m *measurement) table(columns []column) grid {
	g := grid{title: m.Title, head: []string{"server"}}
	columns = slices.DeleteFunc(columns, func(c column) bool { return !m.has(c.figure) })
	for _, c := range columns {
		g.head = append(g.head, c.head)
	}
	if m.Short {
		g.notes = append(g.notes, fmt.Sprintf("The time was over after round %d.", m.Rounds))
	}
	for i := range m.Rows {
		r := &m.Rows[i]
		for _, f := range r.Faults {
			g.notes = append(g.notes, fmt.Sprintf("%s is not ranked: %s", r.Server, f))
		}
		switch {
		case r.late():
			g.notes = append(g.notes, fmt.Sprintf("%s was not measured: %s", r.Server, r.Late))
		case r.Late != "":
			g.notes = append(g.notes, fmt.Sprintf("%s was not measured in every round: %s", r.Server, r.Late))
		}
		if len(r.Figures) == 0 {
			continue
		}
		cells := []string{r.name()}
		for _, c := range columns {
			cells = append(cells, r.cell(c))
		}
		g.rows = append(g.rows, cells)
	}
	return g
}

func (r *row) cell(c column) string {
	if s, ok := r.Figures[c.figure]; ok {
		return c.text(s)
	}
	return "unknown"
}

func (r *row) name() string {
	switch {
	case r.ranked:
		return r.Server
	case r.late():
		return r.Server + " (not measured)"
	}
	return r.Server + " (not ranked)"
}

// weights returns the table of memory at the largest number of connections.
func (r *report) weights(m *measurement) grid {
	g := m.table([]column{
		{"RSS, connected", connected.at(rss), median(bytesEach)},
		{"RSS, after an echo", echoed.at(rss), rangeOf(bytesEach)},
		{"RSS, rested", rested.at(rss), median(bytesEach)},
		{"RSS, settled", settled.at(rss), median(bytesEach)},
		{"PSS", echoed.at(pss), median(bytesEach)},
		{"heap", echoed.at(heap), median(bytesEach)},
		{"stacks", echoed.at(stacks), median(bytesEach)},
		{"goroutines", echoed.at(goroutines), median(tenths)},
		{"kernel socket", echoed.at(kernel), median(bytesEach)},
	})
	g.title = fmt.Sprintf("Memory per connection, with %s connections", comma(m.Connections))
	g.head = append(g.head, "RSS in total", "slope of RSS")
	shown := slices.DeleteFunc(slices.Clone(m.Rows), func(r row) bool { return len(r.Figures) == 0 })
	for i := range g.rows {
		cell := "unknown"
		if s, ok := r.slope(shown[i].Server, rss); ok {
			cell = bytesEach(s)
		}
		all := "unknown"
		if s, ok := shown[i].Figures[echoed.at(rss)]; ok {
			all = tenths(s.Median*float64(m.Connections)/1e6) + " MB"
		}
		g.rows[i] = append(g.rows[i], all, cell)
	}
	return g
}

// growth returns the table of RSS per connection by their number, in the order of the ranking at the largest number.
func (r *report) growth(all []measurement) grid {
	g := grid{title: "RSS per connection, after an echo on each, by the number of connections", head: []string{"server"}}
	for _, m := range all {
		g.head = append(g.head, comma(m.Connections))
	}
	by := column{figure: echoed.at(rss), text: rangeOf(bytesEach)}
	for _, last := range all[len(all)-1].Rows {
		cells := []string{last.name()}
		for i := range all {
			cell := "unknown"
			if r := all[i].find(last.Server); r != nil {
				cell = r.cell(by)
			}
			cells = append(cells, cell)
		}
		g.rows = append(g.rows, cells)
	}
	return g
}

// speeds returns the table of messages, deliveries or connections.
func (m *measurement) speeds() grid {
	each := map[kind]string{echo: "message", broadcast: "delivery", churn: "connection"}[m.Kind]
	many := map[kind]string{echo: "messages/s", broadcast: "deliveries/s", churn: "connections/s"}[m.Kind]
	g := m.table([]column{
		{"server CPU, µs/" + each, cpuEach, rangeOf(hundredths)},
		{many, perSecond, rangeOf(whole)},
		{"p50, ms", p50, rangeOf(millis)},
		{"p99, ms", p99, rangeOf(millis)},
		{"instructions, user", userInstructions, rangeOf(whole)},
		{"kernel", kernelInstructions, rangeOf(whole)},
		{"cycles, user", userCycles, rangeOf(whole)},
		{"kernel", kernelCycles, rangeOf(whole)},
		{"CPUs, server", serverCores, median(hundredths)},
		{"client", clientCores, median(hundredths)},
	})
	stalled := slices.ContainsFunc(m.Rows, func(r row) bool { return r.Stalled != "" })
	if g.head = append(g.head, "bottleneck"); stalled {
		g.head = append(g.head, "subscribers that do not read")
	}
	i := 0
	for j := range m.Rows {
		r := &m.Rows[j]
		if len(r.Figures) == 0 {
			continue
		}
		if g.rows[i] = append(g.rows[i], m.bottleneck(r)); stalled {
			g.rows[i] = append(g.rows[i], r.Stalled)
		}
		i++
	}
	return g
}

func (r *report) simulated() grid {
	g := grid{title: "A topic whose subscribers have no sockets", head: []string{"subscribers", "heap per subscriber", "garbage collection, ms", "its pause, ms", "one publish, ms", "its CPU, ms"}}
	for _, s := range r.Simulations {
		g.rows = append(g.rows, []string{comma(s.Subscribers), s.HeapEach.text(bytesEach), s.GC.text(tenths), s.GCPause.text(hundredths), s.Publish.text(tenths), s.PublishCPU.text(tenths)})
	}
	return g
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
