//go:build linux

package netpoll

import (
	"sync/atomic"
	"time"
)

// tick is a time on the coarse clock: milliseconds since the engine began, from
// 1, modulo 2^32. 0 is no time. Two ticks compare by their difference.
type tick uint32

// after returns the tick d later.
func (t tick) after(d time.Duration) uint32 {
	const limit = 24 * 24 * time.Hour // half of the clock's circle
	n := uint32(t) + uint32(min(d, limit)/time.Millisecond)
	if n == 0 {
		n = 1
	}
	return n
}

// reached reports whether the deadline at is not after t.
func (t tick) reached(at uint32) bool { return int32(uint32(t)-at) >= 0 }

// clock is read exactly by those who set a deadline, and coarsely, as an atomic
// load, by those who stamp an event: a reading is stored whenever the monitor wakes,
// and by those who push to a ready queue while it sleeps.
type clock struct {
	start  time.Time
	coarse atomic.Uint32
}

func (k *clock) read() tick {
	return tick(uint32(time.Since(k.start)/time.Millisecond) + 1)
}

// at returns the tick of t, and time is the reverse of it.
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
