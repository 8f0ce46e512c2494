package main

import (
	"strings"
	"testing"
	"time"
)

func TestNotFresh(t *testing.T) {
	for cpu, says := range map[time.Duration]string{
		-1: "", 0: "", 40 * time.Millisecond: "", 50 * time.Millisecond: "(50 ms of CPU time)", 3 * time.Second: "(3.00 s of",
	} {
		if note := notFresh(cpu); says == "" && note != "" || !strings.Contains(note, says) {
			t.Errorf("%v: %q", cpu, note)
		}
	}
}

// TestUsedServer checks the note about a server that is not fresh, in the report and at the start. This process is not fresh
// once it has used CPU time.
func TestUsedServer(t *testing.T) {
	checkLeaks(t)
	for ownCPU() < 2*worked {
	}
	url := ourEcho(t)
	r := runProgram(t, "idle", "-json", "-n", "3", "-hold", "0s", "-pid", self, url)
	r.wantOK(t)
	if len(r.report.Notes) != 1 || !strings.Contains(r.stderr, "note: "+r.report.Notes[0]) {
		t.Errorf("notes %q", r.report.Notes)
	}
	r = runProgram(t, "idle", "-q", "-n", "3", "-hold", "0s", "-pid", self, url)
	want(t, "notes in the table", strings.Count(r.stdout, "NOTE   the server has served connections before ("), 1)
	for _, args := range []string{"idle -n 3 -hold 0s", "echo -n 3 -count 3 -pid " + self} {
		r = runProgram(t, append(strings.Fields(args), "-json", url)...)
		want(t, args+": notes", len(r.report.Notes), 0)
	}
}
