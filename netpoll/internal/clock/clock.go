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

// Clock has an exact reading, for deadlines, and a coarse one, which is an atomic
// load, for the time of events. The coarse reading is updated whenever the monitor wakes, and by
// each push to a ready queue while the monitor sleeps.
type Clock struct {
	Start  time.Time
	Coarse atomic.Uint32
}

func (k *Clock) Read() Tick {
	return Tick(uint32(time.Since(k.Start)/time.Millisecond) + 1)
}

// At converts a time to a Tick. Time converts a Tick to a time.
func (k *Clock) At(t time.Time) uint32 {
	return uint32(k.Read()) - uint32(time.Since(t)/time.Millisecond)
}

func (k *Clock) Time(at uint32) time.Time {
	return time.Now().Add(time.Duration(int32(at-uint32(k.Read()))) * time.Millisecond)
}

func (k *Clock) Update() Tick {
	t := k.Read()
	k.Coarse.Store(uint32(t))
	return t
}
