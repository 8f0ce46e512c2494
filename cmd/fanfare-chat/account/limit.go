package account

import (
	"sync"
	"time"
)

// maxCounted is how many keys a limit counts at a time; beyond that, others are forgotten.
const maxCounted = 1 << 16

// limit bounds attempts for each key: there are burst at first, and one comes back each
// time that every has passed. A key that has all of them takes no memory. Its methods are
// safe from any goroutine.
type limit[K comparable] struct {
	burst int
	every time.Duration

	mu   sync.Mutex
	full map[K]time.Time // when the key has all attempts again
}

func newLimit[K comparable](burst int, every time.Duration) *limit[K] {
	return &limit[K]{burst: burst, every: every, full: make(map[K]time.Time)}
}

// take counts an attempt. If there is none left it returns the time until there is one.
func (l *limit[K]) take(k K, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	full := l.full[k]
	if full.Before(now) {
		full = now
	}
	full = full.Add(l.every)
	if wait = full.Sub(now) - time.Duration(l.burst)*l.every; wait > 0 {
		return wait
	}
	if _, counted := l.full[k]; !counted && len(l.full) >= maxCounted {
		l.forgetLocked(now)
	}
	l.full[k] = full
	return 0
}

// forgive gives a key all its attempts back.
func (l *limit[K]) forgive(k K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.full, k)
}

// forgetLocked makes room: those that need not be counted go, and if too few do, any
// others, until half of the room is free. So it has little to do for each attempt.
func (l *limit[K]) forgetLocked(now time.Time) {
	for k, full := range l.full {
		if !full.After(now) {
			delete(l.full, k)
		}
	}
	for k := range l.full {
		if len(l.full) <= maxCounted/2 {
			return
		}
		delete(l.full, k)
	}
}
