//go:build linux

package memory

import (
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// Scavenger gives memory back to the system after the engine has held much
// of it for peers and freed it. The runtime would find it at its next collection, but a server
// that has become idle allocates nothing that starts one. Only the monitor uses it.
type Scavenger struct {
	peak  int64 // the most that was held since memory was given back
	quiet int   // consecutive sweeps at which no more was held than at the one before
	last  int64 // held at the last sweep
	next  time.Time
	Runs  sync.WaitGroup
	Free  func() // Free, except in tests
}

const (
	// scavengeFrom is how much must have been freed: less is not worth a collection.
	scavengeFrom = 8 << 20
	// scavengeQuiet is the number of sweeps at which held memory must not have grown.
	scavengeQuiet = 3
	// scavengePause is the least time between two collections.
	scavengePause = 15 * time.Second
)

// Look notes the bytes that are held at a sweep, and starts a collection if it is due.
func (s *Scavenger) Look(held int64, now time.Time) {
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
	s.Runs.Go(s.Free)
}

// Free collects twice, because the content of a sync.Pool survives one collection.
func Free() {
	runtime.GC()
	debug.FreeOSMemory()
}
