package main

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestVisitMemory(t *testing.T) {
	l, err := built.visit(t.Context(), "fanfare", time.Minute, "idle", "-n", "200", "-hold", "0s", "-echo", "-rest", "10ms")
	if err != nil {
		t.Fatal(err)
	}
	var r memoryRow
	r.add(200, l, nil)
	if len(r.Faults) > 0 || len(r.Points) != 1 {
		t.Fatalf("%+v", r)
	}
	p := r.Points[0]
	if p.Connected == nil || p.Echoed == nil || p.Rested == nil {
		t.Fatalf("stages are missing: %+v", p)
	}
	if p.Echoed.RSS <= 0 || p.Echoed.RSS > 1e6 || p.Echoed.PSS == nil {
		t.Errorf("%+v", p.Echoed)
	}
}

func TestVisitEcho(t *testing.T) {
	l, err := built.visit(t.Context(), "gws", time.Minute, "echo", "-n", "20", "-pipeline", "4", "-duration", "300ms")
	if err != nil {
		t.Fatal(err)
	}
	var e echoSamples
	said := e.add(l, nil)
	if r := e.row("gws", echoLoad{20, 4}); !r.ranked() || r.PerSecond.Median < 100 || r.P99.Median < r.P50.Median || r.ClientCPU.Median <= 0 {
		t.Errorf("%s: %+v", said, r)
	}
}

// TestVisitRefused has a server that takes no connection.
func TestVisitRefused(t *testing.T) {
	l, err := built.visit(t.Context(), "coder", time.Minute, "echo", "-n", "5", "-duration", "100ms", "-header", "Origin: http://elsewhere.example")
	if err != nil {
		t.Fatal(err)
	}
	var e echoSamples
	e.add(l, nil)
	r := e.row("coder", echoLoad{5, 1})
	if r.ranked() || len(r.Faults) != 1 || !strings.Contains(r.Faults[0], "of 5 connections opened") {
		t.Errorf("%+v", r)
	}
}

func TestVisitTakesTooLong(t *testing.T) {
	_, err := built.visit(t.Context(), "fanfare", 500*time.Millisecond, "echo", "-n", "1", "-duration", "1m")
	if err == nil || !strings.Contains(err.Error(), "more than 500ms") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := built.visit(ctx, "fanfare", time.Minute, "echo"); err == nil {
		t.Error("a run that is interrupted goes on")
	}
}
