package rate

import (
	"hash/maphash"
	"sync/atomic"
	"time"
)

// DefaultMaxKeys is the number of keys of a Limiter whose Options give none. They take about 30 MB.
const DefaultMaxKeys = 1 << 18

// Options are the options of a Limiter.
type Options struct {
	Limits

	// MaxKeys is the largest number of keys with a state of their own; 0 means DefaultMaxKeys.
	MaxKeys int

	// Now returns the time since any fixed moment. It must not decrease, so it must not follow the wall clock. nil
	// means the time since New, from the monotonic clock.
	Now func() time.Duration
}

// Key is what a Limiter can distinguish: names, or numbers that the caller has given to its owners.
type Key interface{ string | uint64 }

// Limiter limits the rate of each key. A nil Limiter imposes no limit.
type Limiter[K Key] struct {
	seed   maphash.Seed
	prices atomic.Pointer[prices]
	shards []shard[K]
	mask   uint64
}

// New returns a Limiter without keys. The Options must be valid: see [Limits.Validate].
func New[K Key](o Options) *Limiter[K] {
	if o.MaxKeys <= 0 {
		o.MaxKeys = DefaultMaxKeys
	}
	if o.Now == nil {
		start := time.Now()
		o.Now = func() time.Duration { return time.Since(start) }
	}
	n := shardsFor(o.MaxKeys)
	l := &Limiter[K]{seed: maphash.MakeSeed(), shards: make([]shard[K], n), mask: uint64(n - 1)}
	l.prices.Store(o.prices())
	for i := range l.shards {
		l.shards[i].init(o.MaxKeys/n, o.Now)
	}
	return l
}

// shardsFor returns a power of two, so that a shard has room for the uneven spread of keys.
func shardsFor(keys int) int {
	n := 1
	for n < 64 && keys/(2*n) >= 256 {
		n *= 2
	}
	return n
}

// Take pays for a message of n bytes of that key, and returns 0. If the key has used up its rate, Take pays nothing and
// returns how long the key must wait until the same message is admitted. The Limiter keeps a copy of the key.
func (l *Limiter[K]) Take(key K, n int) (wait time.Duration) {
	if l == nil || l.prices.Load().limits.none() {
		return 0
	}
	return l.shards[maphash.Comparable(l.seed, key)&l.mask].take(key, n, &l.prices)
}

// Limits returns the limits in force.
func (l *Limiter[K]) Limits() Limits { return l.prices.Load().limits }

// SetLimits changes the limits. A key keeps what it has used, up to the new burst: it is not refused because of a debt
// that it could not have under the new limits.
func (l *Limiter[K]) SetLimits(to Limits) {
	p := to.prices()
	l.prices.Store(p)
	for i := range l.shards {
		l.shards[i].forgive(p.burst)
	}
}

// Stats are counters of a Limiter since it began, and the number of keys.
type Stats struct {
	Taken   uint64 // messages that were admitted
	Refused uint64 // messages that were not
	Shared  uint64 // messages that were admitted from a credit that several keys share, because MaxKeys was reached
	Keys    int    // keys with a state, some of which may be idle
}

// Stats returns the counters. Messages that no limit applies to are not counted.
func (l *Limiter[K]) Stats() (sum Stats) {
	if l == nil {
		return sum
	}
	for i := range l.shards {
		l.shards[i].addTo(&sum)
	}
	return sum
}
