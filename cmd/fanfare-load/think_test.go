package main

import (
	"testing"
	"time"
)

// TestThink checks that connections wait between an echo and the next message.
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
		m := r.report.Messages
		if most := 4 * (int64(m.Seconds/0.05) + 1); m.Received < 1 || m.Received > most {
			t.Errorf("%d messages on 4 connections in %v s, at least 50 ms apart; want 1 to %d", m.Received, m.Seconds, most)
		}
	})
}

// TestThinkLongerThanDrain checks that a pause does not count as a loss.
func TestThinkLongerThanDrain(t *testing.T) {
	checkLeaks(t)
	r := runProgram(t, "echo", "-json", "-q", "-n", "1", "-think", "1200ms", "-count", "2", "-drain", "1s", ourEcho(t))
	r.wantOK(t)
	want(t, "received", r.report.Messages.Received, 2)
}

// TestRamp checks that connections are opened over a time, which covers all numbers of -at.
func TestRamp(t *testing.T) {
	checkLeaks(t)
	began := time.Now()
	r := runProgram(t, "idle", "-json", "-q", "-n", "20", "-at", "10", "-hold", "0s", "-ramp", "400ms", ourEcho(t))
	r.wantOK(t)
	want(t, "opened", r.report.Connections.Opened, 20)
	if d := time.Since(began); d < 360*time.Millisecond { // the first connection of each number opens at once
		t.Errorf("it took %v", d)
	}
	if p := r.report.Connections.PerSecond; p > 56 {
		t.Errorf("%v connections per second; want 50", p)
	}
}
