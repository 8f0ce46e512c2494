package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// measurement is a load and what each server made of it, the best first, those that
// are not ranked last.
type measurement struct {
	load
	Rows []row `json:"rows"`
}

// row is one server.
type row struct {
	Server  string            `json:"server"`
	Figures map[figure]spread `json:"figures,omitempty"`
	// Stalled says what became of subscribers that did not read, in the last round.
	Stalled string   `json:"stalled,omitempty"`
	Faults  []string `json:"faults,omitempty"`
	ranked  bool
}

// measure asks in rounds, in each of which every load and every server has its turn,
// so that what else the machine does meets all of them. In a round that has no time left
// nothing is measured again.
func (c *comparison) measure(ctx context.Context, loads []load) {
	who := make([][]*samples, len(loads))
	for i := range loads {
		who[i] = c.takers(&loads[i])
	}
	for round := range c.opt.rounds() {
		for i := range loads {
			l := &loads[i]
			switch {
			case interrupted(ctx):
				return
			case round > 0 && time.Since(c.begun) > c.opt.enough():
				c.all -= len(who[i])
			case c.opt.check && l.Kind != memory && c.report.Uncounted != "": // nothing to compare in it
				c.all -= len(who[i])
			default:
				if c.round(ctx, l, who[i], round); round == 0 || ctx.Err() == nil {
					l.Rounds++
				}
			}
		}
	}
	for i, l := range loads {
		if l.Rounds == 0 {
			continue
		}
		l.Short = l.Rounds < c.opt.rounds()
		m := measurement{load: l}
		for _, s := range who[i] {
			m.Rows = append(m.Rows, s.row())
		}
		m.rank()
		c.report.Measurements = append(c.report.Measurements, m)
	}
}

// takers are the servers that are asked.
func (c *comparison) takers(l *load) (who []*samples) {
	for i := range c.opt.servers {
		if s := &c.opt.servers[i]; l.takes(s) {
			who = append(who, &samples{server: s, values: map[figure][]float64{}})
		}
	}
	return who
}

func interrupted(ctx context.Context) bool {
	return ctx.Err() != nil && context.Cause(ctx) != errTimeUp
}

// round begins with another server each time, so that none is always the first. When
// the time is up it leaves those as they are that have been measured before, and the
// others have that as their fault.
func (c *comparison) round(ctx context.Context, l *load, who []*samples, round int) {
	for i := range who {
		if interrupted(ctx) {
			return
		}
		s := who[(i+round)%len(who)]
		got, err := c.prog.visit(ctx, s.server, l.mode(s.server), visitLimit, l.args(s.server, round)...)
		if err == errTimeUp && round > 0 {
			c.all--
			continue
		}
		c.progress("%s, round %d: %s%s", l.Title, round+1, s.server.Name, s.add(l.Kind, got, err))
		if got != nil {
			c.report.Uncounted = cmp.Or(c.report.Uncounted, got.uncounted())
		}
	}
}

// args are those of fanfare-load in a round.
func (l *load) args(s *servers.Server, round int) []string {
	args := slices.Clone(l.Args)
	rest := "0s"
	if l.Rest > 0 && round == 0 {
		rest = l.Rest.String()
	}
	switch {
	case l.Kind == memory && s.Echo == nil:
		args = append(args, "-hold", rest)
	case l.Kind == memory:
		args = append(args, "-hold", "0s", "-echo", "-rest", rest)
	}
	return args
}

// samples are the rounds of a row.
type samples struct {
	server  *servers.Server
	values  map[figure][]float64
	stalled string
	faults  []string
}

// add returns the end of the line of progress.
func (s *samples) add(k kind, got *loaded, err error) string {
	if err == nil {
		err = got.fault()
	}
	var f map[figure]float64
	if got != nil {
		var missing error
		if f, missing = got.figures(k); err == nil {
			err = missing
		}
		s.stalled = got.stalled()
	}
	for name, v := range f { // also of a round with faults, which is shown
		s.values[name] = append(s.values[name], v)
	}
	if err != nil {
		s.faults = append(s.faults, err.Error())
		return ": " + err.Error()
	}
	if k == memory {
		return ": " + bytesEach(f[k.ranking()])
	}
	return fmt.Sprintf(": %s/s, %.1f us", comma(int(f[perSecond])), f[cpuEach])
}

func (s *samples) row() row {
	r := row{Server: s.server.Name, Stalled: s.stalled, Faults: s.faults, Figures: map[figure]spread{}}
	for name, v := range s.values {
		r.Figures[name] = spreadOf(v)
	}
	return r
}

// rank puts the rows in order.
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

// find is the row of a server; nil if there is none.
func (m *measurement) find(server string) *row {
	for i := range m.Rows {
		if m.Rows[i].Server == server {
			return &m.Rows[i]
		}
	}
	return nil
}

// bottleneck is who used more of the processors, and so set the pace.
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

// stalled says what became of those that did not read.
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
