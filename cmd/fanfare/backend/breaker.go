package backend

import (
	"math/bits"
	"math/rand/v2"
	"time"
)

// breaker is the circuit breaker of a hook. While it is closed, all requests are sent. While it is open, none is,
// except for one probe at a time after each pause.
type breaker struct {
	opts         Breaker
	open         bool
	probing      bool
	until        time.Time     // the end of the pause
	pause        time.Duration // without jitter
	failedProbes int           // since it opened
	row          int           // failures in a row
	history      uint64        // the last results, the newest in the lowest bit; 1 is a failure
	results      int           // in history
	opened       uint64        // how often
}

// leastResults is how many results a share needs.
const leastResults = 20

// refuses reports whether a call would be in vain, and how long that will last at least.
func (b *breaker) refuses(now time.Time) (left time.Duration, refuses bool) {
	if !b.open {
		return 0, false
	}
	left = b.until.Sub(now)
	return left, b.probing || left > 0
}

// begin reports whether a request may be sent now, and whether it is a probe.
func (b *breaker) begin(now time.Time) (probe, ok bool) {
	if _, refuses := b.refuses(now); refuses {
		return false, false
	}
	b.probing = b.open
	return b.open, true
}

// drop ends a request without a result.
func (b *breaker) drop(probe bool) {
	if probe {
		b.probing = false
	}
}

// end ends a request, and reports whether the breaker opens, stays open for another pause, or closes.
func (b *breaker) end(now time.Time, probe, failed bool) (changed bool) {
	switch {
	case probe:
		b.probing = false
		if failed {
			b.failedProbes++
			b.trip(now, min(2*b.pause, b.opts.MaxPause))
		} else {
			*b = breaker{opts: b.opts, opened: b.opened}
		}
		return true
	case b.open: // the request began before
		return false
	}
	b.record(failed)
	if !failed || b.row < b.opts.Failures && !b.shareReached() {
		return false
	}
	b.trip(now, b.opts.Pause)
	return true
}

func (b *breaker) record(failed bool) {
	b.history <<= 1
	b.row++
	if failed {
		b.history |= 1
	} else {
		b.row = 0
	}
	b.results = min(b.results+1, 64)
}

func (b *breaker) shareReached() bool {
	return b.results >= leastResults && float64(bits.OnesCount64(b.history)) >= b.opts.Share*float64(b.results)
}

// trip opens the breaker. Jitter keeps several servers from probing at the same time.
func (b *breaker) trip(now time.Time, pause time.Duration) {
	b.open, b.pause = true, pause
	b.until = now.Add(time.Duration(float64(pause) * (0.75 + rand.Float64()/2)))
	b.opened++
}

// extend makes the pause as long as the backend asks, within MaxPause.
func (b *breaker) extend(now time.Time, pause time.Duration) {
	if until := now.Add(min(pause, b.opts.MaxPause)); until.After(b.until) {
		b.until = until
	}
}

// state returns "closed", "open", or "probing".
func (b *breaker) state() string {
	switch {
	case b.probing:
		return "probing"
	case b.open:
		return "open"
	}
	return "closed"
}
