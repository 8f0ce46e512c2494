package natsbroker

import (
	"sync"
	"time"
)

// What Options.OnError is called with at most: each text once in reportEvery, and maxReports texts
// in that time, since other programs may publish any number of wrong messages.
const (
	reportEvery = 10 * time.Second
	maxReports  = 100
)

// reports bounds the calls of Options.OnError. Its lock is a leaf.
type reports struct {
	mu   sync.Mutex
	said map[string]time.Time // when, by text
}

// may reports whether an error may be reported now, which then counts.
func (r *reports) may(text string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for old, when := range r.said {
		if now.Sub(when) >= reportEvery {
			delete(r.said, old)
		}
	}
	if _, ok := r.said[text]; ok || len(r.said) >= maxReports {
		return false
	}
	if r.said == nil {
		r.said = make(map[string]time.Time)
	}
	r.said[text] = now
	return true
}
