package main

import (
	"testing"
	"time"
)

// TestThink has connections wait between an answer and the next message: each sends its
// share, and no faster than that.
func TestThink(t *testing.T) {
	bothEchoes(t, func(t *testing.T, url string) {
		r := runProgram(t, "echo", "-json", "-q", "-n", "4", "-think", "60ms", "-count", "12", "-drain", "1s", url)
		r.wantOK(t)
		want(t, "received", r.report.Messages.Received, 12)
		// Three each, with two pauses between; the last connection begins after 45 ms.
		if s := r.report.Messages.Seconds; s < 0.165 {
			t.Errorf("it took %v s", s)
		}
		r = runProgram(t, "echo", "-json", "-q", "-n", "4", "-think", "50ms", "-duration", "220ms", url)
		r.wantOK(t)
		if n := r.report.Messages.Received; n < 4 || n > 4*5 {
			t.Errorf("%d messages on 4 connections in 220 ms, 50 ms apart", n)
		}
	})
}

// TestThinkLongerThanDrain does not take a pause for a loss.
func TestThinkLongerThanDrain(t *testing.T) {
	checkLeaks(t)
	r := runProgram(t, "echo", "-json", "-q", "-n", "1", "-think", "300ms", "-count", "2", "-drain", "200ms", ourEcho(t))
	r.wantOK(t)
	want(t, "received", r.report.Messages.Received, 2)
}

// TestRamp opens connections over a time, of all numbers of -at together.
func TestRamp(t *testing.T) {
	checkLeaks(t)
	began := time.Now()
	r := runProgram(t, "idle", "-json", "-q", "-n", "20", "-at", "10", "-hold", "0s", "-ramp", "400ms", ourEcho(t))
	r.wantOK(t)
	want(t, "opened", r.report.Connections.Opened, 20)
	if d := time.Since(began); d < 360*time.Millisecond { // the first of each number begins at once
		t.Errorf("it took %v", d)
	}
	if p := r.report.Connections.PerSecond; p > 56 {
		t.Errorf("%v connections per second; want 50", p)
	}
}
