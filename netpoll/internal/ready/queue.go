//go:build linux

// Package ready has the queue of what has something to do in a loop, with the drainers that work it off.
package ready

import (
	"runtime"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/histogram"
)

// Queue is a loop's queue of connections and tasks that have something to do. It is made of
// blocks, so that it shrinks again after a burst of all connections.
type Queue[T any] struct {
	mu       sync.Mutex
	head     *block[T] // pop here
	tail     *block[T] // push here
	spare    *block[T] // one empty block kept for reuse
	first    int       // index in head of the next to pop
	last     int       // index in tail of the next free place
	waiting  int
	drainers int    // running, or submitted to the pool
	pops     uint64 // ever
	boost    int    // drainers that the next stalled look adds: 1, or after n that were stalled up to 4^n
	held     bool   // the loop waits for slack; see Hold
	ending   bool   // and must never wait again
	// Slack gets a value when a loop that waits, because Hold said so, may go on. It has room for one.
	Slack chan struct{}
	// Waits is how long items have waited, by the clock Now, which is monotonic; nothing if that is nil. One of measureEvery
	// is measured, so that a push and a pop seldom read the clock.
	Waits histogram.Histogram
	Now   func() time.Duration
}

// boostWhileHeld is the largest boost with which a loop is held; see Hold.
const boostWhileHeld = 16

// measureEvery is a power of two that divides blockSize.
const measureEvery = 32

const blockSize = 256

type block[T any] struct {
	items [blockSize]T
	since [blockSize]uint32 // when each was pushed, on the engine's coarse clock
	next  *block[T]
	// When those were pushed that are measured. They are measureEvery places apart, apart from one that has been popped.
	measured [blockSize / measureEvery]time.Duration
}

// Pushed is the result of a push.
type Pushed struct {
	Submitted bool // there was no drainer: the caller must submit one, which is counted already
	Waiting   int
}

// Push appends t; now is the time on the engine's coarse clock.
func (r *Queue[T]) Push(t T, now uint32) (p Pushed) {
	r.mu.Lock()
	if r.tail == nil || r.last == blockSize {
		r.growLocked()
	}
	r.tail.items[r.last], r.tail.since[r.last] = t, now
	if (r.pops+uint64(r.waiting))%measureEvery == 0 && r.Now != nil {
		r.tail.measured[r.last/measureEvery] = r.Now()
	}
	r.last++
	r.waiting++
	if r.drainers == 0 {
		r.drainers, p.Submitted = 1, true
	}
	p.Waiting = r.waiting
	r.mu.Unlock()
	return p
}

func (r *Queue[T]) growLocked() {
	b := r.spare
	if r.spare = nil; b == nil {
		b = new(block[T])
	}
	if r.tail == nil {
		r.head, r.first = b, 0
	} else {
		r.tail.next = b
	}
	r.tail, r.last = b, 0
}

// Pop takes the first item of the queue. If there is none, it counts the calling drainer
// off under the same lock, so that the next push asks for another.
func (r *Queue[T]) Pop() (t T) {
	r.mu.Lock()
	for r.waiting == 0 && r.held { // the loop may fill the queue at once: no need to leave
		r.letGoLocked()
		r.mu.Unlock()
		runtime.Gosched()
		r.mu.Lock()
	}
	if r.waiting == 0 {
		r.drainers--
		r.mu.Unlock()
		return t
	}
	b := r.head
	t = b.items[r.first]
	var none T
	b.items[r.first] = none
	measured, since := r.pops%measureEvery == 0 && r.Now != nil, time.Duration(0)
	if measured {
		since = b.measured[r.first/measureEvery]
	}
	r.first++
	r.waiting--
	r.pops++
	if r.waiting == 0 {
		r.first, r.last = 0, 0 // the one block left is used from its start again
	} else if r.first == blockSize {
		r.head, r.first = b.next, 0
		b.next = nil
		r.spare = b
	}
	r.mu.Unlock()
	if measured {
		r.Waits.Observe(r.Now() - since)
	}
	return t
}

// Unsubmit takes back n drainers that the pool refused.
func (r *Queue[T]) Unsubmit(n int) {
	r.mu.Lock()
	r.drainers -= n
	r.mu.Unlock()
}

// Progress is what the monitor remembers about a queue between two looks.
type Progress struct{ pops uint64 }

// Check is the monitor's look at the queue. It returns how many further drainers
// the caller must submit; they are counted already. Drainers are added if the queue is not
// empty and the present ones took fewer than two turns each since the last look, because then
// their handlers block. The number grows fourfold from look to look, so that 200
// blocked handlers are matched within five looks, and a drainer that merely
// lost its processor for a moment costs one task. active is false if no drainer runs
// and the queue is empty.
func (r *Queue[T]) Check(last *Progress) (submit int, active bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.letGoLocked()
	took := r.pops - last.pops
	last.pops = r.pops
	if r.waiting > 0 && took < 2*uint64(r.drainers)+1 {
		submit = min(max(r.boost, 1), r.waiting)
		r.boost = 4 * submit
		r.drainers += submit
	} else {
		r.boost = 1
	}
	return submit, r.drainers > 0 || r.waiting > 0 || took > 0
}

// Active reports whether a drainer runs or the queue is not empty.
func (r *Queue[T]) Active() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drainers > 0 || r.waiting > 0
}

// State is a queue as it is at a moment.
type State struct {
	Waiting  int
	Longest  uint32 // milliseconds for which the first item has been waiting
	Drainers int    // running, or submitted to the pool
	Held     bool   // the loop waits for slack
}

// State returns the queue's state at now.
func (r *Queue[T]) State(now uint32) State {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := State{Waiting: r.waiting, Drainers: r.drainers, Held: r.held}
	if r.waiting > 0 {
		if d := int32(now - r.head.since[r.first]); d > 0 {
			s.Longest = uint32(d)
		}
	}
	return s
}

// Hold reports whether the loop must wait for slack. The drainer
// that finds the queue empty sends it, or the monitor's next look if handlers block. After the third look in a row that found
// that they do, the loop does not wait, so that the next look adds drainers for all connections that are ready. A single
// such look says only that the drainer has lost its processor for a moment.
func (r *Queue[T]) Hold() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = r.waiting > 0 && r.drainers > 0 && r.boost <= boostWhileHeld && !r.ending
	return r.held
}

func (r *Queue[T]) letGoLocked() {
	if r.held {
		r.held = false
		r.Slack <- struct{}{} // has room: a loop is held once at a time
	}
}

// End lets the loop go, and it is never held again.
func (r *Queue[T]) End() {
	r.mu.Lock()
	r.ending = true
	r.letGoLocked()
	r.mu.Unlock()
}
