package main

// weighed returns the measurements of memory, by increasing numbers of connections.
func (r *report) weighed() (all []measurement) {
	for _, m := range r.Measurements {
		if m.Kind == memory {
			all = append(all, m)
		}
	}
	return all
}

// slope returns the growth of memory per additional connection, after an echo on each, in bytes: the slope of a line through
// all points. ok is false if there is none.
func (r *report) slope(server string, what string) (s float64, ok bool) {
	var x, y []float64
	for _, m := range r.weighed() {
		if row := m.find(server); row != nil && row.ranked {
			n := float64(m.Connections)
			x, y = append(x, n), append(y, row.Figures[echoed.at(what)].Median*n)
		}
	}
	return slope(x, y)
}
