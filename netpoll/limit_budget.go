//go:build linux

package netpoll

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
)

// budget bounds the memory that the engine holds for peers. Each loop sums up what its
// connections hold (loop.held). A write that adds to the sum checks the total once in so many
// bytes (step). If the total is too large, the write closes the heaviest connections at once, until
// there is some room. So the bound needs no goroutine, which would come too late,
// and no more connections are closed than necessary.
type budget struct {
	bounds atomic.Pointer[bounds]
	mu     sync.Mutex   // one goroutine sheds at a time; other writes that add wait for it
	shed   atomic.Int64 // connections closed with ErrShed
	slow   atomic.Int64 // connections closed with ErrSlow
	scan   atomic.Bool  // the monitor must look at all connections
}

// bounds are what follows from Options.TotalPending.
type bounds struct {
	high, low int64 // above high, shed down to low
	hard      int64 // above hard, shed a lighter connection if the heaviest are locked
	step      uint  // log2 of the bytes that a loop adds between two checks of the total
}

// mostStep is the largest step: 64 KiB.
const mostStep = 16

// set keeps a sixteenth below the bound for what all loops add between two checks
// and for writes under way. Shedding frees another sixteenth at a time.
func (b *budget) set(most, loops int) {
	if most < 0 {
		b.bounds.Store(&bounds{high: math.MaxInt64, low: math.MaxInt64, hard: math.MaxInt64, step: mostStep})
		return
	}
	b.bounds.Store(&bounds{
		high: int64(most - most/16),
		low:  int64(most - most/8),
		hard: int64(most - most/32),
		step: uint(min(max(bits.Len(uint(most/16/loops)), 1)-1, mostStep)),
	})
}
