//go:build linux

package netpoll

import (
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// scavenger gives memory back to the system after peers have had the engine hold much
// of it and left. The runtime would find it at its next collection, and a server that
// has become idle allocates nothing that brings one about. Used by the monitor only.
type scavenger struct {
	peak  int64 // of what was held since memory was given back
	quiet int   // sweeps in which less was held than in the one before, or as much
	last  int64 // held at the last sweep
	next  time.Time
	run   sync.WaitGroup
	free  func() // freeMemory, but in tests
}

const (
	// scavengeFrom is how much must have been let go: less is not worth a collection.
	scavengeFrom = 8 << 20
	// scavengeQuiet is for how many sweeps it must not have grown.
	scavengeQuiet = 3
	// scavengePause is the time between two collections.
	scavengePause = 15 * time.Second
)

// look takes note of the bytes that are held at a sweep.
func (s *scavenger) look(held int64, now time.Time) {
	s.peak = max(s.peak, held)
	if held > s.last {
		s.quiet = 0
	}
	s.quiet++
	s.last = held
	if s.peak-held < scavengeFrom || s.quiet < scavengeQuiet || now.Before(s.next) {
		return
	}
	s.peak, s.next = held, now.Add(scavengePause)
	s.run.Go(s.free)
}

// freeMemory collects twice, because what is in a sync.Pool survives once.
func freeMemory() {
	runtime.GC()
	debug.FreeOSMemory()
}
