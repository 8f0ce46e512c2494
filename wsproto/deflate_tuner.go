package wsproto

import (
	"math"
	"sync"
	"sync/atomic"
)

// tuner finds the window that compresses an endpoint's messages best, for peers with one size
// of window. That need not be the largest one: package flate prefers long matches to near
// ones, which take fewer bits. With 9 bits JSON that repeats itself can be 20 % smaller than
// with 15. So now and then a message is compressed with another window too.
type tuner struct {
	seen atomic.Uint32
	best atomic.Int32 // bits; 0 for those of the peer's window

	mu         sync.Mutex
	rival      int // bits of the window that best is compared with
	trials     int
	ours, them int // bytes of the messages of those trials, with best and with rival
}

const (
	tuneFrom    = 1 << tuneMinBits // bytes that a message reaches back; with less, windows make no difference
	tuneFirst   = 24               // messages that are all trials: enough for each window
	tuneEvery   = 64               // of so many messages one is a trial later
	tuneTrials  = 3                // after which two windows are compared
	tuneMinBits = 9                // of the smallest window that is tried
)

// windows returns the bits of the window for a message that reaches back so many bytes, and
// those of a rival to compare it with, or 0.
func (t *tuner) windows(bits, reach int) (best, rival int) {
	if best = int(t.best.Load()); best == 0 {
		best = bits
	}
	if reach <= tuneFrom || bits <= tuneMinBits {
		return best, 0
	}
	if n := t.seen.Add(1); n > tuneFirst && n%tuneEvery != 0 {
		return best, 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rival == 0 {
		t.next(best, bits)
	}
	return best, t.rival
}

// next begins trials of the next window that is not best.
func (t *tuner) next(best, bits int) {
	t.trials, t.ours, t.them = 0, 0, 0
	for {
		if t.rival++; t.rival < tuneMinBits || t.rival > bits {
			t.rival = tuneMinBits
		}
		if t.rival != best {
			return
		}
	}
}

// judge notes the sizes of a message with both windows. If the sizes are the same the smaller
// window is better, because it is less work.
func (t *tuner) judge(bits, best, rival, ours, them int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if rival != t.rival || ours == math.MaxInt || them == math.MaxInt { // another goroutine was faster, or it is not compressible
		return
	}
	t.trials++
	t.ours, t.them = t.ours+ours, t.them+them
	if t.trials < tuneTrials {
		return
	}
	if t.them < t.ours || t.them == t.ours && rival < best {
		t.best.Store(int32(rival))
		best = rival
	}
	t.next(best, bits)
}
