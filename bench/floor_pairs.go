package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// pair is one run of fanfare-load that both servers get in turn.
type pair struct {
	kind  kind
	args  []string // of fanfare-load
	rows  []pairRow
	other side // the server that Fanfare is compared with
	mine  side
	futex bool // count futex calls, once
	paced bool // ask the bare server for the time of its loop

	compressed *messages // which the clients of the subcommand compression send, instead of fanfare-load
}

// pairRow is a figure of a pair that is a row of the table.
type pairRow struct {
	title  string
	place  int // of the load
	figure figure
	wanted *requirement // nil if there is none
}

// side is a server of a pair.
type side struct {
	name   string
	start  func(context.Context) (*child, error)
	target func(*child) []string  // arguments of fanfare-load
	values []map[figure][]float64 // for each load

	compressing servers.Compressing // the server of a pair with compressed messages
}

// loads returns the number of loads of the run.
func (p *pair) loads() int {
	last := 0
	for _, r := range p.rows {
		last = max(last, r.place)
	}
	return last + 1
}

// served is a side that is a server of package servers.
func (p *programs) served(s servers.Server, mode, subcommand string) side {
	return side{
		name:   s.Name,
		start:  func(ctx context.Context) (*child, error) { return p.startServer(ctx, s.Name, mode) },
		target: func(c *child) []string { return c.urls(&s, subcommand) },
	}
}

// program is a side that is cmd/fanfare. With zero processors it uses all.
func (p *programs) program(path string, processors int) side {
	name := fanfareName
	if processors > 0 {
		name = fmt.Sprintf("GOMAXPROCS=%d", processors)
	}
	return side{
		name:   name,
		start:  func(ctx context.Context) (*child, error) { return p.startFanfare(ctx, processors) },
		target: func(c *child) []string { return []string{"ws://" + c.addr + path} },
	}
}

const (
	echoPath  = "/echo"
	topicPath = "/topics/floor"
)

// pairs returns the pairs in the order in which they are measured.
func (o *floorOptions) pairs(p *programs, kinds []messages) []*pair {
	all := o.echoPairs(p)
	all = append(all, o.broadcastPairs(p)...)
	all = append(append(all, o.churnPair(p)), o.memoryPairs(p)...)
	all = append(append(all, o.tlsPair(p)), compressionPairs(kinds)...)
	if runtime.NumCPU() > 1 {
		all = append(all, o.processorsPair(p))
	}
	for _, e := range all {
		for range e.loads() {
			e.other.values = append(e.other.values, map[figure][]float64{})
			e.mine.values = append(e.mine.values, map[figure][]float64{})
		}
	}
	return all
}

// library is the side of a server of servers.All that echoes.
func (p *programs) library(name, subcommand string) side {
	i := slices.Index(servers.Names(), name)
	return p.served(servers.All[i], servers.EchoMode, subcommand)
}

// bare is the side of the floor's echo.
func (p *programs) bare(subcommand string) side {
	s := p.library("floor", subcommand)
	s.name = bareName
	return s
}

// The names of the sides of most rows.
const (
	bareName    = "bare"
	fanfareName = "Fanfare"
)

func (o *floorOptions) echoArgs(connections, pipeline, size int) []string {
	return []string{"echo", "-n", strconv.Itoa(connections), "-pipeline", strconv.Itoa(pipeline), "-size", strconv.Itoa(size),
		"-duration", o.duration.String(), "-abrupt"}
}

func (o *floorOptions) echoPairs(p *programs) (all []*pair) {
	for _, e := range []struct {
		connections, pipeline, size int
		wanted                      requirement
		futex                       bool
	}{
		{1000, 1, o.size, requirement{Limit: 1}, true},
		{100, 16, o.size, requirement{Limit: 1.3, Aim: 1.2}, true},
		{100, 1, 64 << 10, requirement{Limit: 1.4, Aim: 1.2}, false},
	} {
		title := fmt.Sprintf("echo of %s bytes, %s connections, %d in flight", comma(e.size), comma(e.connections), e.pipeline)
		all = append(all, &pair{
			kind: echo, args: o.echoArgs(e.connections, e.pipeline, e.size),
			rows:  []pairRow{{title, 0, cpuEach, &e.wanted}},
			other: p.bare("echo"), mine: p.program(echoPath, 0), futex: e.futex,
		})
	}
	return all
}

// broadcastPairs has two pairs, because the time of the bare server's loop is only of interest with one message in each.
func (o *floorOptions) broadcastPairs(p *programs) (all []*pair) {
	rate := strconv.FormatFloat(o.rate, 'g', -1, 64)
	add := func(paced bool, rows []pairRow, flags ...string) {
		bare := p.served(servers.FloorBroadcast, servers.BroadcastMode, "broadcast")
		bare.name = bareName
		args := []string{"broadcast", "-n", strconv.Itoa(o.n), "-size", strconv.Itoa(o.size), "-duration", o.duration.String(), "-abrupt"}
		all = append(all, &pair{kind: broadcast, args: append(args, flags...), rows: rows, other: bare, mine: p.program(topicPath, 0), paced: paced})
	}
	title := func(how string, args ...any) string {
		return fmt.Sprintf("broadcast to %s, ", comma(o.n)) + fmt.Sprintf(how, args...)
	}
	add(true, []pairRow{{title("%s per second", rate), 0, cpuEach, &requirement{Limit: 1}}}, "-rate", rate)
	add(false, []pairRow{
		{title("%d in flight", o.window), 0, cpuEach, &requirement{Limit: 1.1}},
		{title("1 in flight"), 1, cpuEach, nil},
	}, "-window", strconv.Itoa(o.window), "-then", "-window 1 -duration "+o.duration.String())
	return all
}

func (o *floorOptions) churnPair(p *programs) *pair {
	return &pair{
		kind: churn, args: []string{"churn", "-duration", o.duration.String()},
		rows: []pairRow{
			{"accept and upgrade, connections per second", 0, perSecond, &requirement{Limit: 0.75, Aim: 0.9, AtLeast: true}},
			{"accept and upgrade, CPU time per connection", 0, cpuEach, nil},
		},
		other: p.bare("churn"), mine: p.program(echoPath, 0),
	}
}

// memoryPairs measures the largest number of connections in a process of its own: Fanfare does not collect the garbage of two
// crowds of handshakes within 15 s. Fanfare is the library's server, as in the comparison: it begins without garbage, and so
// does the bare one. The garbage of cmd/fanfare's start, which is collected while connections open, would hide a part of their
// memory.
func (o *floorOptions) memoryPairs(p *programs) (all []*pair) {
	of := func(wanted *requirement, sizes ...int) {
		last := len(sizes) - 1
		e := &pair{kind: memory, args: []string{"idle", "-n", strconv.Itoa(sizes[last])}, other: p.bare("idle"), mine: p.library("fanfare", "idle")}
		for i, n := range sizes {
			if i < last {
				e.args = append(e.args, "-at", strconv.Itoa(n))
			}
			title := fmt.Sprintf("RSS per connection, %s idle after an echo on each", comma(n))
			e.rows = append(e.rows, pairRow{title, i, rested.at(rss), wanted})
		}
		e.args = append(e.args, "-hold", "0s", "-echo", "-rest", o.rest.String(), "-abrupt")
		all = append(all, e)
	}
	if small := slices.DeleteFunc([]int{1000, 5000}, func(n int) bool { return n >= o.idle }); len(small) > 0 {
		of(nil, small...)
	}
	of(&requirement{Limit: 264, Aim: 256, Absolute: true}, o.idle)
	return all
}

// tlsPair compares two servers that differ only in the library.
func (o *floorOptions) tlsPair(p *programs) *pair {
	return &pair{
		kind: churn, args: []string{"churn", "-duration", o.duration.String()},
		rows:  []pairRow{{"accept and upgrade over TLS 1.3, CPU time per connection", 0, cpuEach, &requirement{Limit: 1}}},
		other: p.library("gorilla-tls", "churn"), mine: p.library("fanfare-tls", "churn"),
	}
}

// processorsPair compares Fanfare on one processor with Fanfare on two: what the processors cost each other.
func (o *floorOptions) processorsPair(p *programs) *pair {
	const connections, pipeline = 100, 16
	title := fmt.Sprintf("echo of %s bytes, %d connections, %d in flight", comma(o.size), connections, pipeline)
	return &pair{
		kind: echo, args: o.echoArgs(connections, pipeline, o.size),
		rows:  []pairRow{{title, 0, cpuEach, &requirement{Limit: 1.1}}},
		other: p.program(echoPath, 1), mine: p.program(echoPath, 2),
	}
}

// requirement bounds a figure of Fanfare by a multiple of the other server's figure or, if it is Absolute, by a value.
type requirement struct {
	Limit    float64 `json:"limit"`
	Aim      float64 `json:"aim,omitempty"` // a stricter limit; 0 if there is none
	AtLeast  bool    `json:"at_least,omitempty"`
	Absolute bool    `json:"absolute,omitempty"`
}

// within reports whether the figure keeps a limit.
func (r *requirement) within(limit, mine, other float64) bool {
	if !r.Absolute {
		limit *= other
	}
	if r.AtLeast {
		return mine >= limit
	}
	return mine <= limit
}

// text describes the requirement. format is for an absolute one.
func (r *requirement) text(format func(float64) string) string {
	sign := "<= "
	if r.AtLeast {
		sign = ">= "
	}
	if !r.Absolute {
		format = func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) + " x" }
	}
	said := sign + format(r.Limit)
	if r.Aim > 0 {
		said += fmt.Sprintf(" (aim %s)", strings.TrimSuffix(format(r.Aim), " x"))
	}
	return said
}

// verdict says whether the requirement is met. Without a CPU time of the other server, a multiple of it is unknown.
func (r *requirement) verdict(mine, other float64) verdict {
	switch {
	case cmp.Compare(other, 0) <= 0 && !r.Absolute:
		return unknown
	case !r.within(r.Limit, mine, other):
		return unmet
	case r.Aim > 0 && r.within(r.Aim, mine, other):
		return aimMet
	}
	return met
}

// verdict says whether a requirement is met.
type verdict string

const (
	met     verdict = "yes"
	aimMet  verdict = "yes, and the aim"
	unmet   verdict = "NO"
	unknown verdict = "unknown"
)
