package fair

import (
	"slices"
	"sync"
	"time"
)

// MaxOwners is the largest number of owners that a Limiter tracks. Beyond it the Limiter forgets the
// half that has used the least.
const MaxOwners = 1 << 16

// Limiter is a token bucket for each owner: an owner has burst tokens, and gets one back in each
// interval. An owner with a full bucket takes no memory. The methods of a Limiter may be called from
// any goroutine. Take and Wait of a nil Limiter impose no limit.
type Limiter[K comparable] struct {
	burst int
	every time.Duration

	mu   sync.Mutex
	full map[K]time.Time // when the owner's bucket is full again
}

// NewLimiter returns a Limiter whose buckets are full.
func NewLimiter[K comparable](burst int, every time.Duration) *Limiter[K] {
	return &Limiter[K]{burst: burst, every: every, full: make(map[K]time.Time)}
}

// Take takes a token of an owner, and returns how long the owner must wait before using it. If that is
// more than most, Take takes no token, and ok is false.
func (r *Limiter[K]) Take(k K, now time.Time, most time.Duration) (wait time.Duration, ok bool) {
	if r == nil {
		return 0, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	full := r.full[k]
	if full.Before(now) {
		full = now
	}
	full = full.Add(r.every)
	if wait = max(0, full.Sub(now)-time.Duration(r.burst)*r.every); wait > most {
		return wait, false
	}
	if _, counted := r.full[k]; !counted && len(r.full) >= MaxOwners {
		r.forgetLocked(now)
	}
	r.full[k] = full
	return wait, true
}

// Reset fills the bucket of an owner.
func (r *Limiter[K]) Reset(k K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.full, k)
}

// Owners returns the number of owners that are tracked.
func (r *Limiter[K]) Owners() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.full)
}

// forgetLocked forgets half of the owners, so that its cost per new owner stays small.
func (r *Limiter[K]) forgetLocked(now time.Time) {
	times := make([]time.Time, 0, len(r.full))
	for _, full := range r.full {
		times = append(times, full)
	}
	slices.SortFunc(times, time.Time.Compare)
	last := times[len(times)/2]
	if last.Before(now) {
		last = now
	}
	for k, full := range r.full {
		if !full.After(last) {
			delete(r.full, k)
		}
	}
}

// Used reports whether the bucket of an owner is not full.
func (r *Limiter[K]) Used(k K, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.full[k].After(now)
}

// Wait returns how long an owner must wait before using a token, without taking one.
func (r *Limiter[K]) Wait(k K, now time.Time) time.Duration {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	full := r.full[k]
	if full.Before(now) { // the difference may be more than a Duration can hold
		return 0
	}
	return max(0, full.Sub(now)-time.Duration(r.burst-1)*r.every)
}
