package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// echoLoad is how a server is asked to echo.
type echoLoad struct {
	Connections int `json:"connections"`
	Pipeline    int `json:"pipeline"` // messages in flight on each connection
}

func (l echoLoad) String() string {
	return fmt.Sprintf("%s connections, %d in flight on each", comma(l.Connections), l.Pipeline)
}

// echoRow is how fast one server echoes under one load. The figures are nil if no
// round has any.
type echoRow struct {
	Server string `json:"server"`
	echoLoad
	PerSecond *spread  `json:"messages_per_second,omitempty"`
	CPU       *spread  `json:"server_cpu_microseconds_per_message,omitempty"`
	P50       *spread  `json:"latency_p50_microseconds,omitempty"`
	P99       *spread  `json:"latency_p99_microseconds,omitempty"`
	ServerCPU *spread  `json:"server_cpu_cores,omitempty"`
	ClientCPU *spread  `json:"client_cpu_cores,omitempty"`
	Faults    []string `json:"faults,omitempty"`
}

// echo measures in rounds, in each of which every server has its turn, so that what
// else the machine does meets all of them.
func (c *comparison) echo(ctx context.Context) {
	for _, load := range c.opt.loads() {
		samples := make([]echoSamples, len(c.opt.servers))
		for round := range c.opt.rounds() {
			for i, s := range c.opt.servers {
				if ctx.Err() != nil {
					return
				}
				l, err := c.prog.visit(ctx, s.Name, time.Minute, "echo", "-n", strconv.Itoa(load.Connections),
					"-pipeline", strconv.Itoa(load.Pipeline), "-duration", c.opt.duration().String())
				c.progress("echo, %v, round %d: %s%s", load, round+1, s.Name, samples[i].add(l, err))
			}
		}
		rows := make([]echoRow, len(samples))
		for i := range samples {
			rows[i] = samples[i].row(c.opt.servers[i].Name, load)
		}
		c.report.Echo = append(c.report.Echo, rankEcho(rows)...)
	}
}

// echoSamples are the rounds of one row.
type echoSamples struct {
	perSecond, cpu, p50, p99, server, client []float64
	faults                                   []string
}

// add returns the end of the line of progress.
func (e *echoSamples) add(l *loaded, err error) string {
	if err == nil {
		if f := l.fault(); f != "" {
			err = errors.New(f)
		} else if l.Messages == nil || l.Messages.Latency == nil || l.Messages.ServerMicros == nil || l.Messages.ServerCores == nil {
			err = errors.New("no message came back, or the server's processor time is not known")
		}
	}
	if err != nil {
		e.faults = append(e.faults, err.Error())
		return ": " + err.Error()
	}
	m := l.Messages
	e.perSecond = append(e.perSecond, m.PerSecond)
	e.cpu = append(e.cpu, *m.ServerMicros)
	e.p50 = append(e.p50, m.Latency.P50)
	e.p99 = append(e.p99, m.Latency.P99)
	e.server = append(e.server, *m.ServerCores)
	e.client = append(e.client, m.ClientCores)
	return fmt.Sprintf(": %s/s, %.1f us", comma(int(m.PerSecond)), *m.ServerMicros)
}

func (e *echoSamples) row(name string, load echoLoad) echoRow {
	r := echoRow{Server: name, echoLoad: load, Faults: e.faults}
	if len(e.perSecond) == 0 {
		return r
	}
	of := func(values []float64) *spread {
		s := spreadOf(values)
		return &s
	}
	r.PerSecond, r.CPU, r.P50, r.P99 = of(e.perSecond), of(e.cpu), of(e.p50), of(e.p99)
	r.ServerCPU, r.ClientCPU = of(e.server), of(e.client)
	return r
}

func (r *echoRow) ranked() bool { return len(r.Faults) == 0 && r.PerSecond != nil }

// bottleneck is who used more of the processors, and so set the pace.
func (r *echoRow) bottleneck() string {
	switch {
	case r.ClientCPU == nil:
		return ""
	case r.ClientCPU.Median > r.ServerCPU.Median:
		return "client"
	}
	return "server"
}

// rankEcho puts those first whose messages cost least, and those that are not ranked
// last.
func rankEcho(rows []echoRow) []echoRow {
	slices.SortStableFunc(rows, func(a, b echoRow) int {
		if !a.ranked() || !b.ranked() {
			return cmp.Compare(bit(!a.ranked()), bit(!b.ranked()))
		}
		return cmp.Compare(a.CPU.Median, b.CPU.Median)
	})
	return rows
}
