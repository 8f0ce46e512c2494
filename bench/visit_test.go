package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// visitOnce is a row of one round.
func visitOnce(t *testing.T, name string, l load, more ...string) row {
	t.Helper()
	server, err := servers.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	got, err := built.visit(t.Context(), &server, l.mode(&server), time.Minute, append(l.args(&server, 0), more...)...)
	s := samples{server: &server, values: map[figure][]float64{}}
	t.Log(s.add(l.Kind, got, err))
	m := measurement{load: l, Rows: []row{s.row()}}
	m.rank()
	return m.Rows[0]
}

func TestVisitMemory(t *testing.T) {
	l := load{Kind: memory, Args: []string{"idle", "-n", "200"}}
	for name, routines := range map[string]float64{"fanfare": 0, "gobwas": 1, "centrifuge": 1} {
		r := visitOnce(t, name, l)
		if !r.ranked {
			t.Fatalf("%+v", r)
		}
		for _, s := range []stage{connected, echoed} {
			for _, what := range []string{rss, pss, heap, stacks, goroutines} {
				if _, ok := r.Figures[s.at(what)]; !ok {
					t.Errorf("%s: no %s", name, s.at(what))
				}
			}
		}
		if each := r.Figures[echoed.at(rss)].Median; each <= 0 || each > 1e6 {
			t.Errorf("%s: %v bytes each", name, each)
		}
		if each := r.Figures[echoed.at(goroutines)].Median; each < routines || each > routines+4 {
			t.Errorf("%s: %v goroutines each", name, each)
		}
	}
}

func TestVisitEcho(t *testing.T) {
	l := load{Kind: echo, Args: []string{"echo", "-n", "20", "-pipeline", "4", "-duration", "300ms"}}
	for _, name := range []string{"gws", "fanfare-deflate", "gorilla-tls"} {
		r := visitOnce(t, name, l)
		if f := r.Figures; !r.ranked || f[perSecond].Median < 100 || f[p99].Median < f[p50].Median || f[clientCores].Median <= 0 {
			t.Errorf("%+v", r)
		}
	}
}

// TestVisitBroadcast has all that can broadcast do so, to some that do not read where
// fanfare-load can do that.
func TestVisitBroadcast(t *testing.T) {
	stalled := load{Kind: broadcast, Args: []string{"slow", "-n", "20", "-stalled", "1", "-window", "8", "-count", "200", "-drain", "1s"}}
	paced := load{Kind: broadcast, Paced: true, Args: []string{"broadcast", "-n", "20", "-rate", "200", "-count", "100"}}
	for _, s := range servers.All {
		l := stalled
		if s.TLS {
			l = paced
		}
		if !l.takes(&s) {
			continue
		}
		if r := visitOnce(t, s.Name, l); !r.ranked || (r.Stalled == "") != l.Paced || r.Figures[perSecond].Median < 100 {
			t.Errorf("%+v", r)
		}
	}
}

func TestVisitChurn(t *testing.T) {
	r := visitOnce(t, "fanfare", load{Kind: churn, Args: []string{"churn", "-duration", "300ms"}})
	if !r.ranked || r.Figures[perSecond].Median < 50 || r.Figures[cpuEach].Median <= 0 {
		t.Errorf("%+v", r)
	}
}

// TestVisitRefused has a server that takes no connection.
func TestVisitRefused(t *testing.T) {
	r := visitOnce(t, "coder", load{Kind: echo, Args: []string{"echo", "-n", "5", "-duration", "100ms"}}, "-header", "Origin: http://elsewhere.example")
	if r.ranked || len(r.Faults) != 1 || !strings.Contains(r.Faults[0], "of 5 connections opened") {
		t.Errorf("%+v", r)
	}
}

func TestVisitTakesTooLong(t *testing.T) {
	server := &servers.All[0]
	_, err := built.visit(t.Context(), server, servers.EchoMode, 500*time.Millisecond, "echo", "-n", "1", "-duration", "1m")
	if err == nil || !strings.Contains(err.Error(), "more than 500ms") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := built.visit(ctx, server, servers.EchoMode, time.Minute, "echo"); err == nil {
		t.Error("a run that is interrupted goes on")
	}
}

func TestSimulate(t *testing.T) {
	got, err := built.simulateOnce(t.Context(), 20_000)
	if err != nil {
		t.Fatal(err)
	}
	if each := got["heap_bytes_each"]; got["subscribers"] != 20_000 || each < 100 || each > 1000 || got["publish_milliseconds"] <= 0 {
		t.Errorf("%v", got)
	}
}

// TestMeasureIsBounded has no time for a second round.
func TestMeasureIsBounded(t *testing.T) {
	server, err := servers.Find("floor")
	if err != nil {
		t.Fatal(err)
	}
	c := &comparison{opt: &options{servers: []servers.Server{server}}, prog: built, report: new(report), begun: time.Now().Add(-time.Hour), log: new(strings.Builder), all: 3}
	c.measure(t.Context(), []load{{Kind: churn, Args: []string{"churn", "-count", "20"}}})
	if m := c.report.Measurements[0]; !m.Short || m.Rounds != 1 || c.done != 1 || c.all != 1 || len(m.Rows) != 1 {
		t.Errorf("%+v, %d of %d", m, c.done, c.all)
	}
}

// TestMeasureEnds has no time left at all: what was measured stays, and what was not
// says why.
func TestMeasureEnds(t *testing.T) {
	server, err := servers.Find("floor")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithDeadlineCause(t.Context(), time.Now(), errTimeUp)
	defer cancel()
	c := &comparison{opt: &options{servers: []servers.Server{server}}, prog: built, report: new(report), begun: time.Now(), log: new(strings.Builder), all: 3}
	c.measure(ctx, []load{{Kind: churn, Args: []string{"churn", "-duration", "1h"}}})
	m := c.report.Measurements[0]
	if faults := m.Rows[0].Faults; !m.Short || m.Rounds != 1 || len(faults) != 1 || faults[0] != errTimeUp.Error() {
		t.Errorf("%+v", m)
	}
	who := c.takers(&load{Kind: churn})
	if c.round(ctx, &load{Kind: churn, Args: []string{"churn"}}, who, 1); len(who[0].faults) > 0 {
		t.Errorf("a second round has %q", who[0].faults)
	}
	if err := c.simulate(ctx, 1000); !errors.Is(err, errTimeUp) || len(c.report.Simulations) > 0 {
		t.Errorf("%v, %+v", err, c.report.Simulations)
	}
}

// TestLoads has servers for all that is asked for.
func TestLoads(t *testing.T) {
	for _, quick := range []bool{false, true} {
		o := &options{kinds: subcommands["all"], servers: servers.All, quick: quick}
		for _, l := range o.loads() {
			takers := 0
			for i := range o.servers {
				if l.takes(&o.servers[i]) {
					takers++
					if _, err := o.servers[i].Mode(l.mode(&o.servers[i])); err != nil {
						t.Error(err)
					}
				}
			}
			if takers < 9 {
				t.Errorf("%+v: %d servers", l, takers)
			}
		}
	}
}
