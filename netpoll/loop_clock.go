//go:build linux

package netpoll

import (
	"sync/atomic"
	"time"
)

// tick is a time on the coarse clock: milliseconds since the engine began, from
// 1 on, modulo 2^32. 0 means no time. Ticks are compared by their difference.
type tick uint32

// after returns the tick d later.
func (t tick) after(d time.Duration) uint32 {
	const limit = 24 * 24 * time.Hour // half of the clock's range
	n := uint32(t) + uint32(min(d, limit)/time.Millisecond)
	if n == 0 {
		n = 1
	}
	return n
}

// reached reports whether the deadline at has passed at t.
func (t tick) reached(at uint32) bool { return int32(uint32(t)-at) >= 0 }

// clock has an exact reading, for deadlines, and a coarse one, which is an atomic
// load, for the time of events. The coarse reading is updated whenever the monitor wakes, and by
// each push to a ready queue while the monitor sleeps.
type clock struct {
	start  time.Time
	coarse atomic.Uint32
}

func (k *clock) read() tick {
	return tick(uint32(time.Since(k.start)/time.Millisecond) + 1)
}

// at converts a time to a tick. time converts a tick to a time.
func (k *clock) at(t time.Time) uint32 {
	return uint32(k.read()) - uint32(time.Since(t)/time.Millisecond)
}

func (k *clock) time(at uint32) time.Time {
	return time.Now().Add(time.Duration(int32(at-uint32(k.read()))) * time.Millisecond)
}

func (k *clock) update() tick {
	t := k.read()
	k.coarse.Store(uint32(t))
	return t
}
