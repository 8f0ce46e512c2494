package main

import (
	"fmt"
	"math"
)

// million is the number of connections of the plan.
const million = 1_000_000

// canPlan reports whether the report has the figures that the plan needs.
func (r *report) canPlan() bool {
	_, ok := r.slope("fanfare", rss)
	return ok && r.largest().find("fanfare") != nil
}

// largest returns the measurement of memory at the largest number of connections.
func (r *report) largest() *measurement {
	w := r.weighed()
	return &w[len(w)-1]
}

// plan calculates from the measurements what a run with a million connections needs.
func (r *report) plan() grid {
	g := grid{title: "A million connections to Fanfare, calculated from the figures above", head: []string{"what", "figure", "derived from"}}
	add := func(what, figure, from string, args ...any) {
		g.rows = append(g.rows, []string{what, figure, fmt.Sprintf(from, args...)})
	}
	for _, name := range []string{"fanfare", "fanfare-topic", "fanfare-tls"} {
		if s, ok := r.slope(name, rss); ok {
			add(name+": memory of the process", gigabytes(s*million), "slope of RSS, %s", bytesEach(s))
		}
	}
	if k, ok := r.largest().find("fanfare").Figures[echoed.at(kernel)]; ok {
		add("memory of the kernel for the sockets, server", gigabytes(k.Median*million), "kernel socket, %s, with empty buffers", bytesEach(k.Median))
		add("more, if 1 % have 64 KiB in their buffers", gigabytes(million/100*65536), "a slow client's share of net.ipv4.tcp_mem")
	}
	add("open files of the server", comma(million+1000), "one per connection and some more; fs.nr_open and ulimit -n must be at least that, fs.file-max twice that")
	add("source addresses of the load", comma(int(math.Ceil(million/64512.0))), "64,512 ports each, with net.ipv4.ip_local_port_range=1024 65535")
	for i := range r.Measurements {
		m := &r.Measurements[i]
		row := m.find("fanfare")
		if row == nil || !row.ranked {
			continue
		}
		switch cpu := row.Figures[cpuEach].Median; m.Kind {
		case churn:
			add("time to open all of them", seconds(cpu*million/1e6/float64(r.Machine.Cores)), "%s µs of server CPU to open and close one, %d CPUs", hundredths(cpu), r.Machine.Cores)
		case broadcast:
			if m.Paced || row.Stalled != "" {
				continue
			}
			add("one publish to all ("+m.Title[len("Broadcast: "):]+")", seconds(cpu*million/1e6/float64(r.Machine.Cores)), "%s µs of server CPU per delivery, %d CPUs", hundredths(cpu), r.Machine.Cores)
		}
	}
	return g
}

func gigabytes(v float64) string { return hundredths(v/1e9) + " GB" }

func seconds(v float64) string { return hundredths(v) + " s" }
