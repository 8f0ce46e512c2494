//go:build linux

// Package clock has the engine's clock, which counts milliseconds.
package clock

import (
	"sync/atomic"
	"time"
)

// Tick is a time on the coarse clock: milliseconds since the engine began, from
// 1 on, modulo 2^32. 0 means no time. Ticks are compared by their difference.
type Tick uint32

// After returns the Tick d later.
func (t Tick) After(d time.Duration) uint32 {
	const limit = 24 * 24 * time.Hour // half of the clock's range
	n := uint32(t) + uint32(min(d, limit)/time.Millisecond)
	if n == 0 {
		n = 1
	}
	return n
}

// Reached reports whether the deadline at has passed at t.
func (t Tick) Reached(at uint32) bool { return int32(uint32(t)-at) >= 0 }

// Since returns the time from earlier to t.
func (t Tick) Since(earlier Tick) time.Duration {
	return time.Duration(int32(t-earlier)) * time.Millisecond
}

// Clock has an exact reading, for deadlines, and a coarse one, which is an atomic
// load, for the time of events. The coarse reading is updated whenever the monitor wakes, and by
// each push to a ready queue while the monitor sleeps.
//
// It does not follow the wall clock, which may be set, as long as the times of its source have a monotonic reading.
type Clock struct {
	Coarse atomic.Uint32
	start  time.Time
	source func() time.Time // nil for time.Now
}

// Begin starts the clock, whose time is that of source; time.Now if nil.
func (k *Clock) Begin(source func() time.Time) {
	k.source = source
	k.start = k.Now()
	k.Update()
}

// Now returns the time of the clock's source.
func (k *Clock) Now() time.Time {
	if k.source != nil {
		return k.source()
	}
	return time.Now()
}

// Elapsed returns the time since the clock began.
func (k *Clock) Elapsed() time.Duration {
	if k.source != nil {
		return k.source().Sub(k.start)
	}
	return time.Since(k.start)
}

// Until returns the time from now to t.
func (k *Clock) Until(t time.Time) time.Duration { return t.Sub(k.Now()) }

// Left is Until for a deadline: at least a millisecond, so that one that is over still comes.
func (k *Clock) Left(t time.Time) time.Duration { return max(k.Until(t), time.Millisecond) }

// Read returns the exact time.
func (k *Clock) Read() Tick {
	return Tick(uint32(k.Elapsed()/time.Millisecond) + 1)
}

// At converts a time to a Tick.
func (k *Clock) At(t time.Time) uint32 {
	return uint32(k.Read()) + uint32(k.Until(t)/time.Millisecond)
}

// Time converts a Tick to a time.
func (k *Clock) Time(at uint32) time.Time {
	return k.Now().Add(time.Duration(int32(at-uint32(k.Read()))) * time.Millisecond)
}

// Update sets the coarse reading, and returns it.
func (k *Clock) Update() Tick {
	t := k.Read()
	k.Coarse.Store(uint32(t))
	return t
}
