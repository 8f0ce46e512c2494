//go:build linux

package memory

import (
	"testing"
	"time"
)

func TestScavenger(t *testing.T) {
	freed := 0
	done := make(chan struct{}, 10)
	s := Scavenger{Free: func() { freed++; done <- struct{}{} }}
	now := time.Now()
	step := func(held int64, want int) {
		t.Helper()
		s.Look(held, now)
		now = now.Add(time.Second)
		s.Runs.Wait()
		if freed != want {
			t.Errorf("with %d held it was run %d times, want %d", held, freed, want)
		}
	}
	step(3*scavengeFrom, 0)
	for range scavengeQuiet - 2 {
		step(scavengeFrom, 0)
	}
	step(scavengeFrom, 1)
	for range 30 { // nothing more was let go
		step(scavengeFrom, 1)
	}
	step(0, 2)
	for range scavengePause / time.Second { // not again so soon
		step(2*scavengeFrom, 2)
		step(0, 2)
	}
	for range scavengeQuiet {
		s.Look(0, now)
	}
	s.Runs.Wait()
	if freed != 3 {
		t.Errorf("it was run %d times, want 3", freed)
	}
}
