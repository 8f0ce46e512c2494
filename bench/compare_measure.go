package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// measurement is a load with a row for each server, the best first and rows that are not ranked last.
type measurement struct {
	load
	Rows []row `json:"rows"`
}

// row has the figures of a server.
type row struct {
	Server  string            `json:"server"`
	Figures map[figure]spread `json:"figures,omitempty"`
	// Stalled describes the fate of subscribers that did not read, in the last round.
	Stalled string   `json:"stalled,omitempty"`
	Faults  []string `json:"faults,omitempty"` // what the server lost or refused
	// Late says which measurements there was no time for.
	Late   string `json:"late,omitempty"`
	ranked bool
}

// measure makes the rounds. In each round every job and every server has its turn, so that other work of the machine affects
// all of them. Without time for another round, it makes none.
func (c *comparison) measure(ctx context.Context, jobs []job) {
	who := make([][]*samples, len(jobs))
	for i := range jobs {
		who[i] = c.takers(&jobs[i])
	}
	for round := range c.opt.rounds() {
		for i := range jobs {
			e := &jobs[i]
			switch {
			case interrupted(ctx):
				return
			case round > 0 && time.Since(c.begun) > c.opt.enough():
				c.all -= len(who[i])
			case c.opt.check && e.kind() != memory && c.report.Uncounted != "": // check has nothing to compare
				c.all -= len(who[i])
			default:
				if c.round(ctx, e, who[i], round); round == 0 || ctx.Err() == nil {
					e.rounds++
				}
			}
		}
	}
	for i := range jobs {
		if jobs[i].rounds > 0 {
			c.tell(&jobs[i], who[i])
		}
	}
}

// tell adds the loads of a job to the report.
func (c *comparison) tell(e *job, who []*samples) {
	for place, l := range e.loads {
		l.Rounds, l.Short = e.rounds, e.rounds < c.opt.rounds()
		m := measurement{load: l}
		for _, s := range who {
			m.Rows = append(m.Rows, s.row(place))
		}
		m.rank()
		c.report.Measurements = append(c.report.Measurements, m)
	}
}

// takers returns the servers of a job.
func (c *comparison) takers(e *job) (who []*samples) {
	for i := range c.opt.servers {
		if s := &c.opt.servers[i]; e.takes(s) {
			who = append(who, newSamples(s, e))
		}
	}
	return who
}

func interrupted(ctx context.Context) bool {
	return ctx.Err() != nil && context.Cause(ctx) != errTimeUp
}

// round visits all servers. Each round begins with another server, so that none is always the first. Once the time is over,
// servers that were measured before keep their figures, and the others are marked as late.
func (c *comparison) round(ctx context.Context, e *job, who []*samples, round int) {
	visits := make(chan visited)
	lanes := make(chan struct{}, c.lanes(e))
	if cap(lanes) > 1 {
		c.say("%s, round %d: one server is loaded while the others rest ...", e.loads[len(e.loads)-1].Title, round+1)
	}
	go func() {
		var all sync.WaitGroup
		for i := range who {
			s := who[(i+round)%len(who)]
			lanes <- struct{}{}
			all.Go(func() {
				defer func() { <-lanes }()
				if !interrupted(ctx) {
					got, err := c.prog.visit(ctx, s.server, e.mode(s.server), visitLimit*time.Duration(min(cap(lanes), 4)), e.arguments(s.server)...)
					visits <- visited{s, got, err}
				}
			})
		}
		all.Wait()
		close(visits)
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.bar()
		case v, more := <-visits:
			if !more {
				return
			}
			c.took(v, e, round)
		}
	}
}

// took adds the result of a visit.
func (c *comparison) took(v visited, e *job, round int) {
	if v.err == errTimeUp && round > 0 {
		c.all--
		return
	}
	title := e.loads[0].Title
	if e.kind() == memory {
		title = "Memory"
	}
	c.progress("%s, round %d: %s%s", title, round+1, v.at.server.Name, v.at.add(v.got, v.err))
	if v.got != nil {
		c.report.Uncounted = cmp.Or(c.report.Uncounted, v.got.uncounted())
	}
}

// visited is the result of a visit.
type visited struct {
	at  *samples
	got *loaded
	err error
}

// lanes returns the number of concurrent visits: one, or more if connections rest. In that case fanfare-load makes sure that
// one server is loaded at a time.
func (c *comparison) lanes(e *job) int {
	if e.rest == 0 {
		return 1
	}
	const each = 72 << 10 // bytes for a connection: server, client and kernel
	most := max(1, e.loads[len(e.loads)-1].Connections)
	return max(1, int(min(64, availableMemory()/each/int64(most))))
}

// samples has the figures of all rounds of a server's job.
type samples struct {
	server  *servers.Server
	job     *job
	values  []map[figure][]float64 // for each load
	stalled string
	faults  []string
	late    string
}

func newSamples(s *servers.Server, e *job) *samples {
	all := &samples{server: s, job: e}
	for range e.loads {
		all.values = append(all.values, map[figure][]float64{})
	}
	return all
}

// add adds a round and returns the end of its line of progress.
func (s *samples) add(got *loaded, err error) string {
	if err == nil {
		err = got.fault()
	}
	var said []string
	if got != nil {
		for place := range s.job.loads {
			f, missing := got.figures(s.job.kind(), place)
			if err == nil {
				err = missing
			}
			for name, v := range f { // a round with faults is shown as well
				s.values[place][name] = append(s.values[place][name], v)
			}
			if s.job.kind() == memory {
				said = append(said, bytesEach(f[memory.ranking()]))
			} else {
				said = append(said, fmt.Sprintf("%s/s, %.1f µs", comma(int(f[perSecond])), f[cpuEach]))
			}
		}
		s.stalled = got.stalled()
	}
	switch {
	case err == nil:
	case errors.As(err, new(outOfTime)): // which is not the server's fault
		s.late = err.Error()
		return ": " + err.Error()
	default:
		s.faults = append(s.faults, err.Error())
		return ": " + err.Error()
	}
	return ": " + strings.Join(said, "; ")
}

func (s *samples) row(place int) row {
	r := row{Server: s.server.Name, Stalled: s.stalled, Faults: s.faults, Late: s.late, Figures: map[figure]spread{}}
	for name, v := range s.values[place] {
		r.Figures[name] = spreadOf(v)
	}
	return r
}

// rank sorts the rows.
func (m *measurement) rank() {
	by := m.Kind.ranking()
	for i := range m.Rows {
		r := &m.Rows[i]
		_, known := r.Figures[by]
		r.ranked = known && len(r.Faults) == 0
	}
	slices.SortStableFunc(m.Rows, func(a, b row) int {
		if !a.ranked || !b.ranked {
			return cmp.Compare(bit(!a.ranked), bit(!b.ranked))
		}
		return cmp.Compare(a.Figures[by].Median, b.Figures[by].Median)
	})
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// find returns the row of a server, or nil.
func (m *measurement) find(server string) *row {
	for i := range m.Rows {
		if m.Rows[i].Server == server {
			return &m.Rows[i]
		}
	}
	return nil
}

// bottleneck returns the side that used more CPU time and so set the pace.
func (m *measurement) bottleneck(r *row) string {
	server, known := r.Figures[serverCores]
	switch {
	case !known:
		return ""
	case m.Paced:
		return "neither"
	case r.Figures[clientCores].Median > server.Median:
		return "client *"
	}
	return "server"
}

// stalled describes the fates of the subscribers that did not read.
func (l *loaded) stalled() string {
	if l.Stalled == nil {
		return ""
	}
	var said []string
	for _, fate := range slices.Sorted(maps.Keys(l.Stalled.Fates)) {
		said = append(said, fmt.Sprintf("%d %s", l.Stalled.Fates[fate], fate))
	}
	return strings.Join(said, ", ")
}
