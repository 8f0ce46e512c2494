package main

import (
	"cmp"
	"strings"
)

// summary returns the table with the few columns that the project's README shows. ok is false if memory was not measured.
func (r *report) summary() (g grid, ok bool) {
	if len(r.weighed()) == 0 {
		return g, false
	}
	m := r.largest()
	by := echoed.at(rss)
	g = grid{title: "Summary", head: []string{"server", "memory per connection, with " + comma(m.Connections)}}
	costs := r.costs()
	for _, c := range costs {
		g.head = append(g.head, c.what)
	}
	for _, row := range m.rankedRows() {
		cells := []string{row.Server, bytesEach(row.Figures[by].Median)}
		for _, c := range costs {
			cell := ""
			if of := c.in.find(row.Server); of != nil && of.ranked {
				cell = hundredths(of.Figures[cpuEach].Median)
			}
			cells = append(cells, cell)
		}
		g.rows = append(g.rows, cells)
	}
	return g, true
}

// cost is the server's CPU time in a measurement.
type cost struct {
	what string
	in   *measurement
}

// costs returns the costs of the first echo, of a connection, and of deliveries to subscribers that all read.
func (r *report) costs() (all []cost) {
	echoes := 0
	for i := range r.Measurements {
		m := &r.Measurements[i]
		switch m.Kind {
		case echo:
			if echoes++; echoes == 1 {
				all = append(all, cost{"server CPU: µs per echo", m})
			}
		case broadcast:
			if _, how, _ := strings.Cut(m.Title, " subscribers, "); !strings.Contains(how, "do not read") {
				all = append(all, cost{"µs per delivery, " + cmp.Or(how, m.Title), m})
			}
		case churn:
			all = append(all, cost{"µs per connection", m})
		}
	}
	return all
}
