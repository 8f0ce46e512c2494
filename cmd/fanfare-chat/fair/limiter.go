package fair

import (
	"slices"
	"sync"
	"time"
)

// MaxOwners is how many owners a Limiter counts at a time; beyond that, those are forgotten
// who have used least of theirs.
const MaxOwners = 1 << 16

// Limiter says how often each owner may do something: burst times at first, and once more each
// time that every has passed. An owner who has all of them takes no memory. Its methods are
// safe from any goroutine, and a nil Limiter is without limit.
type Limiter[K comparable] struct {
	burst int
	every time.Duration

	mu   sync.Mutex
	full map[K]time.Time // when the owner has all of them again
}

// NewLimiter returns a rate at which nobody has done anything yet.
func NewLimiter[K comparable](burst int, every time.Duration) *Limiter[K] {
	return &Limiter[K]{burst: burst, every: every, full: make(map[K]time.Time)}
}

// Take takes one, and returns how long it is until it may be used: 0, or as long as most if
// it is one that only comes back. If that is not enough ok is false and none is taken.
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

// Reset gives an owner all of them back.
func (r *Limiter[K]) Reset(k K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.full, k)
}

// Owners returns how many owners are counted.
func (r *Limiter[K]) Owners() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.full)
}

// forgetLocked makes half of the room free: so it has little to do for each owner.
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

// Used reports whether an owner has used any that have not come back.
func (r *Limiter[K]) Used(k K, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.full[k].After(now)
}

// Wait returns how long it is until an owner may use one, and takes none.
func (r *Limiter[K]) Wait(k K, now time.Time) time.Duration {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	full := r.full[k]
	if full.Before(now) { // perhaps by more than a Duration has room for
		return 0
	}
	return max(0, full.Sub(now)-time.Duration(r.burst-1)*r.every)
}
