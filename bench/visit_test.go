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
func visitOnce(t *testing.T, name string, k kind, args string) row {
	t.Helper()
	return visitRows(t, name, single(load{Kind: k}, strings.Fields(args)...))[0]
}

// visitRows returns the rows of one round of a job.
func visitRows(t *testing.T, name string, e job) (rows []row) {
	t.Helper()
	server, err := servers.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	if server.Program != "" { // which can take longer than a visit
		if _, err := built.install(t.Context(), &server); err != nil {
			t.Fatal(err)
		}
	}
	got, err := built.visit(t.Context(), &server, e.mode(&server), time.Minute, e.arguments(&server)...)
	s := newSamples(&server, &e)
	t.Log(s.add(got, err))
	for place, l := range e.loads {
		m := measurement{load: l, Rows: []row{s.row(place)}}
		m.rank()
		rows = append(rows, m.Rows[0])
	}
	return rows
}

func TestVisitMemory(t *testing.T) {
	e := job{loads: []load{{Kind: memory}, {Kind: memory}}, args: []string{"idle", "-at", "100", "-n", "200"}}
	for name, routines := range map[string]float64{"fanfare": 0, "gobwas": 1, "centrifuge": 1} {
		rows := visitRows(t, name, e)
		for _, r := range rows {
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
		}
		_, early := rows[0].Figures[settled.at(rss)]
		r := rows[1]
		if _, late := r.Figures[settled.at(rss)]; early || !late {
			t.Errorf("%s: settled at the first number is %v, at the last %v", name, early, late)
		}
		if each := r.Figures[echoed.at(rss)].Median; each <= 0 || each > 1e6 {
			t.Errorf("%s: %v bytes each", name, each)
		}
		if each := r.Figures[echoed.at(goroutines)].Median; each < routines || each > routines+4 {
			t.Errorf("%s: %v goroutines each", name, each)
		}
	}
}

// TestVisitCentrifugo checks that the memory of a server that is not of package servers is measured, as far as it is known.
func TestVisitCentrifugo(t *testing.T) {
	for _, r := range visitRows(t, "centrifugo", job{loads: []load{{Kind: memory}}, args: []string{"idle", "-n", "100"}}) {
		if _, known := r.Figures[echoed.at(heap)]; !r.ranked || known || r.Figures[echoed.at(rss)].Median < 1000 {
			t.Errorf("%+v", r)
		}
	}
}

func TestCentrifugoDoesNotStart(t *testing.T) {
	if s, err := built.startCentrifugo(t.Context(), "/bin/false"); err == nil || !strings.Contains(err.Error(), "does not listen: it has ended") {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestMeasureGoesOn has a server whose program cannot be built. It is reported, and the other server is measured.
func TestMeasureGoesOn(t *testing.T) {
	bare, err := servers.Find("floor")
	if err != nil {
		t.Fatal(err)
	}
	broken := servers.Server{Name: "broken", Module: "example.invalid/broken", Program: "v1.0.0", Echo: bare.Echo}
	c := &comparison{opt: &options{quick: true, servers: []servers.Server{broken, bare}}, prog: built, report: new(report), begun: time.Now(), log: new(strings.Builder), all: 2}
	c.install(t.Context())
	c.measure(t.Context(), []job{single(load{Kind: churn}, "churn", "-count", "20")})
	m := c.report.Measurements[0]
	if r := m.find("broken"); r.ranked || len(r.Faults) != 1 || !strings.Contains(r.Faults[0], "example.invalid/broken v1.0.0 could not be built") {
		t.Errorf("%+v", r)
	}
	if r := m.find("floor"); !r.ranked {
		t.Errorf("%+v", r)
	}
	if err := c.report.verdict(); err == nil || !strings.Contains(err.Error(), "in 1 of 2 rows") {
		t.Errorf("the verdict is %v", err)
	}
}

func TestVisitEcho(t *testing.T) {
	for _, name := range []string{"gws", "fanfare-deflate", "gorilla-tls"} {
		r := visitOnce(t, name, echo, "echo -n 20 -pipeline 4 -duration 300ms")
		if f := r.Figures; !r.ranked || f[perSecond].Median < 100 || f[p99].Median < f[p50].Median || f[clientCores].Median <= 0 {
			t.Errorf("%+v", r)
		}
	}
}

// TestVisitBroadcast broadcasts with every server that can, also to stalled subscribers where fanfare-load supports that.
func TestVisitBroadcast(t *testing.T) {
	stalled := single(load{Kind: broadcast}, strings.Fields("slow -n 20 -stalled 1 -window 8 -count 200 -drain 1s")...)
	stalled.tcp = true
	two := job{loads: []load{{Kind: broadcast, Paced: true}, {Kind: broadcast}},
		args: []string{"broadcast", "-n", "20", "-rate", "200", "-count", "100", "-then", "-window 8 -count 200"}}
	for _, s := range servers.All {
		for _, e := range []job{stalled, two} {
			if !e.takes(&s) {
				continue
			}
			for _, r := range visitRows(t, s.Name, e) {
				if !r.ranked || (r.Stalled == "") == e.tcp || r.Figures[perSecond].Median < 100 {
					t.Errorf("%+v", r)
				}
			}
		}
	}
}

func TestVisitChurn(t *testing.T) {
	r := visitOnce(t, "fanfare", churn, "churn -duration 300ms")
	if !r.ranked || r.Figures[perSecond].Median < 50 || r.Figures[cpuEach].Median <= 0 {
		t.Errorf("%+v", r)
	}
}

// TestVisitRefused has a server that accepts no connection.
func TestVisitRefused(t *testing.T) {
	r := visitOnce(t, "coder", echo, "echo -n 5 -duration 100ms -header Origin:http://elsewhere.example")
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

// TestMeasureIsBounded checks a run without time for a second round.
func TestMeasureIsBounded(t *testing.T) {
	server, err := servers.Find("floor")
	if err != nil {
		t.Fatal(err)
	}
	c := &comparison{opt: &options{servers: []servers.Server{server}}, prog: built, report: new(report), begun: time.Now().Add(-time.Hour), log: new(strings.Builder), all: 3}
	c.measure(t.Context(), []job{single(load{Kind: churn}, "churn", "-count", "20")})
	if m := c.report.Measurements[0]; !m.Short || m.Rounds != 1 || c.done != 1 || c.all != 1 || len(m.Rows) != 1 {
		t.Errorf("%+v, %d of %d", m, c.done, c.all)
	}
}

// TestMeasureEnds checks a run whose time is over: figures that were measured stay, and the other rows say why they are missing.
func TestMeasureEnds(t *testing.T) {
	server, err := servers.Find("floor")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithDeadlineCause(t.Context(), time.Now(), errTimeUp)
	defer cancel()
	c := &comparison{opt: &options{servers: []servers.Server{server}}, prog: built, report: new(report), begun: time.Now(), log: new(strings.Builder), all: 3}
	e := single(load{Kind: churn}, "churn", "-duration", "1h")
	c.measure(ctx, []job{e})
	m := c.report.Measurements[0]
	if r := m.Rows[0]; !m.Short || m.Rounds != 1 || len(r.Faults) > 0 || r.Late != errTimeUp.Error() {
		t.Errorf("%+v", m)
	}
	if err := c.report.verdict(); err == nil || strings.Contains(err.Error(), "refused") {
		t.Errorf("where only time ran out the verdict is %v", err)
	}
	who := c.takers(&e)
	if c.round(ctx, &e, who, 1); len(who[0].faults) > 0 || who[0].late != "" {
		t.Errorf("a second round has %q, %q", who[0].faults, who[0].late)
	}
	if err := c.simulate(ctx, 1000); !errors.Is(err, errTimeUp) || len(c.report.Simulations) > 0 {
		t.Errorf("%v, %+v", err, c.report.Simulations)
	}
}

// TestRest checks that several servers rest at the same time while one is loaded.
func TestRest(t *testing.T) {
	o := &options{}
	for _, name := range []string{"fanfare", "gorilla-1024", "epoll"} {
		server, err := servers.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		o.servers = append(o.servers, server)
	}
	e := job{loads: []load{{Kind: memory, Connections: 50}, {Kind: memory, Connections: 100}}, args: []string{"idle", "-at", "50", "-n", "100"}, rest: 2 * time.Second}
	c := &comparison{opt: o, prog: built, report: new(report), begun: time.Now(), log: new(strings.Builder), all: 3}
	who := c.takers(&e)
	c.round(t.Context(), &e, who, 0)
	if gone := time.Since(c.begun); gone < 2*e.rest || c.lanes(&e) < len(who) {
		t.Errorf("two rests of each took %v, of %d servers at a time", gone, c.lanes(&e))
	}
	for _, s := range who {
		for place := range e.loads {
			if r := s.row(place); len(r.Faults) > 0 || r.Figures[rested.at(rss)].Median == 0 {
				t.Errorf("%+v", r)
			} else if _, ok := r.Figures[idleCPU]; ok != (place == len(e.loads)-1) {
				t.Errorf("at place %d the CPU time of idle connections is known: %v", place, ok)
			}
		}
	}
}

// TestJobs checks that each job has servers.
func TestJobs(t *testing.T) {
	for _, quick := range []bool{false, true} {
		o := &options{kinds: subcommands["all"], servers: servers.All, quick: quick}
		for _, e := range o.jobs() {
			takers := 0
			for i := range o.servers {
				if e.takes(&o.servers[i]) {
					takers++
					if o.servers[i].Program != "" {
						continue
					}
					if _, err := o.servers[i].Mode(e.mode(&o.servers[i])); err != nil {
						t.Error(err)
					}
				}
			}
			if takers < 9 {
				t.Errorf("%+v: %d servers", e, takers)
			}
		}
	}
}
