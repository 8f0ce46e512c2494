//go:build linux

package memory

import (
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// Scavenger gives memory back to the system when the engine does not need it any more: after it has held much for peers and
// freed it, and after a crowd of connections has come or gone, which leaves the garbage of their handshakes, or the connections
// themselves. The runtime would find it at its next collection, but a server that has become idle allocates nothing that
// starts one. Only the monitor uses it.
type Scavenger struct {
	peak  int64 // the most that was held since memory was given back
	quiet int   // consecutive sweeps at which no more was held than at the one before
	last  Use   // at the last sweep
	crowd int64 // connections that have come or gone since memory was given back
	calm  int   // consecutive sweeps at which hardly any did
	next  time.Time
	Runs  sync.WaitGroup
	Free  func() // Free, except in tests
}

// Use is what an engine uses at a time.
type Use struct {
	Held    int64  // bytes, for peers
	Open    int64  // connections
	Entered uint32 // connections, ever; it wraps around
}

const (
	// scavengeFrom is how much must have been freed: less is not worth a collection.
	scavengeFrom = 8 << 20
	// scavengeQuiet is the number of sweeps at which held memory must not have grown, or hardly a connection come or gone.
	scavengeQuiet = 3
	// scavengePause is the least time between two collections.
	scavengePause = 15 * time.Second

	// leastCrowd is how many connections must have come or gone: fewer leave some hundred KiB.
	leastCrowd = 1024
	// crowdShare is the part of the open connections that must have come or gone, since a collection looks at all of them.
	crowdShare = 16
	// crowdTrickle is the part of a crowd that may come or go in a sweep once it is over. So where connections come and go
	// evenly, collections are at least so many sweeps apart.
	crowdTrickle = 64
)

// Look notes what is used at a sweep, and starts a collection if it is due.
func (s *Scavenger) Look(now Use, at time.Time) {
	s.peak = max(s.peak, now.Held)
	if now.Held > s.last.Held {
		s.quiet = 0
	}
	s.quiet++
	came := int64(now.Entered - s.last.Entered)
	moved := came + max(0, s.last.Open+came-now.Open)
	s.crowd += moved
	if moved > s.crowd/crowdTrickle {
		s.calm = 0
	}
	s.calm++
	s.last = now
	freed := s.peak-now.Held >= scavengeFrom && s.quiet >= scavengeQuiet
	over := s.crowd >= max(leastCrowd, now.Open/crowdShare) && s.calm >= scavengeQuiet
	if !freed && !over || at.Before(s.next) {
		return
	}
	s.peak, s.crowd, s.next = now.Held, 0, at.Add(scavengePause)
	s.Runs.Go(s.Free)
}

// Free collects twice, because the content of a sync.Pool survives one collection.
func Free() {
	runtime.GC()
	debug.FreeOSMemory()
}
