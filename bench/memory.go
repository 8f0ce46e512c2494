package main

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// memoryRow is what one server's connections weigh.
type memoryRow struct {
	Server string        `json:"server"`
	Points []memoryPoint `json:"points"`
	// Slope is what RSS grows by for one more connection, after an echo on each, in
	// bytes: of the line through all points. It is nil with less than two points.
	Slope  *float64 `json:"slope_bytes_per_connection,omitempty"`
	Faults []string `json:"faults,omitempty"`
}

// memoryPoint is one run.
type memoryPoint struct {
	Connections int          `json:"connections"`
	Connected   *memoryStage `json:"connected,omitempty"`
	Echoed      *memoryStage `json:"echoed,omitempty"`
	Rested      *memoryStage `json:"rested,omitempty"` // 20 s after the echo
}

// memoryStage is what each connection adds, in bytes. What the kernel does not let be
// known is nil.
type memoryStage struct {
	RSS float64  `json:"rss"`
	PSS *float64 `json:"pss,omitempty"`
	// Kernel is of the server's end: half of what the machine's sockets weigh, since
	// both ends are on it.
	Kernel *float64 `json:"kernel_socket,omitempty"`
}

// memory makes one run for each server and number of connections.
func (c *comparison) memory(ctx context.Context) {
	rows := make([]memoryRow, len(c.opt.servers))
	for _, n := range c.opt.sizes() {
		for i, s := range c.opt.servers {
			rows[i].Server = s.Name
			if ctx.Err() != nil {
				return
			}
			l, err := c.prog.visit(ctx, s.Name, time.Minute+c.opt.rest(),
				"idle", "-n", strconv.Itoa(n), "-hold", "0s", "-echo", "-rest", c.opt.rest().String())
			rows[i].add(n, l, err)
			c.progress("memory, %d connections: %s%s", n, s.Name, rows[i].lately())
		}
	}
	for i := range rows {
		rows[i].fit()
	}
	c.report.Memory = rankMemory(rows)
}

func (r *memoryRow) add(n int, l *loaded, err error) {
	if err != nil {
		r.Faults = append(r.Faults, comma(n)+" connections: "+err.Error())
		return
	}
	if f := l.fault(); f != "" {
		r.Faults = append(r.Faults, comma(n)+" connections: "+f)
	}
	p := memoryPoint{Connections: n}
	for _, m := range l.Memory {
		if m.Server.RSS.PerConnection == nil {
			continue
		}
		s := &memoryStage{RSS: *m.Server.RSS.PerConnection, PSS: m.Server.PSS.PerConnection}
		if k := m.Kernel.SocketObjects.PerConnection; k != nil {
			half := *k / 2
			s.Kernel = &half
		}
		switch {
		case m.Name == "connected":
			p.Connected = s
		case m.Name == "after an echo on each":
			p.Echoed = s
		case strings.HasSuffix(m.Name, " after an echo on each"):
			p.Rested = s
		}
	}
	r.Points = append(r.Points, p)
}

// lately is the end of the line of progress.
func (r *memoryRow) lately() string {
	if len(r.Faults) > 0 {
		return ": " + r.Faults[len(r.Faults)-1]
	}
	if s := r.Points[len(r.Points)-1].Echoed; s != nil {
		return ": " + bytesEach(s.RSS)
	}
	return ""
}

// fit finds the slope.
func (r *memoryRow) fit() {
	var x, y []float64
	for _, p := range r.Points {
		if p.Echoed != nil {
			x, y = append(x, float64(p.Connections)), append(y, p.Echoed.RSS*float64(p.Connections))
		}
	}
	if s, ok := slope(x, y); ok {
		r.Slope = &s
	}
}

// last is the run with the most connections, as it was after the echo.
func (r *memoryRow) last() *memoryStage {
	if len(r.Points) == 0 {
		return nil
	}
	return r.Points[len(r.Points)-1].Echoed
}

// at is the run with n connections; nil if there is none.
func (r *memoryRow) at(n int) *memoryPoint {
	for i := range r.Points {
		if r.Points[i].Connections == n {
			return &r.Points[i]
		}
	}
	return nil
}

// ranked reports whether the row may be compared with others.
func (r *memoryRow) ranked() bool { return len(r.Faults) == 0 && r.last() != nil }

// rankMemory puts the lightest first, and those that are not ranked last.
func rankMemory(rows []memoryRow) []memoryRow {
	slices.SortStableFunc(rows, func(a, b memoryRow) int {
		if !a.ranked() || !b.ranked() {
			return cmp.Compare(bit(!a.ranked()), bit(!b.ranked()))
		}
		return cmp.Compare(a.last().RSS, b.last().RSS)
	})
	return rows
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
