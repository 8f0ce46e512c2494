package backend

import "time"

// HookStats are counters of a hook since the Backend began, and what it holds now.
type HookStats struct {
	// Calls by result.
	Granted   uint64
	Refused   uint64
	FellBack  uint64 // granted by the options, because the backend is down
	Failed    uint64 // ErrDown
	Busy      uint64 // ErrBusy
	Cancelled uint64 // the client has gone, or the Backend is closed

	Cached uint64 // calls with a kept answer
	Joined uint64 // calls that shared the request of another

	// Requests, without those that were given up, and the time that they took together.
	Requests    uint64
	RequestTime time.Duration
	Failures    [failureKinds]uint64 // by FailureNames

	Running       int // requests
	Queued        int // requests
	Waiting       int // calls
	WaitingBytes  int // bodies of requests
	CachedAnswers int
	CachedBytes   int

	Breaker string // closed, open or probing
	Opened  uint64 // how often the breaker has opened, failed probes included
}

// FailureNames are the causes that HookStats.Failures counts.
var FailureNames = [failureKinds]string{"timeout", "unreachable", "status", "answer"}

// Stats returns the figures of a hook. They are zero if the hook is off.
func (b *Backend) Stats(h Hook) HookStats {
	if !b.Has(h) {
		return HookStats{}
	}
	e := b.endpoints[h]
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.stats
	s.Running, s.Queued, s.Waiting, s.WaitingBytes = e.running, e.queue.size, e.calls, e.bytes
	s.CachedAnswers, s.CachedBytes = len(e.cache.byKey), e.cache.bytes
	s.Breaker, s.Opened = e.breaker.state(), e.breaker.opened
	return s
}
