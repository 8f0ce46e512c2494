//go:build linux

package netpoll

import (
	"runtime"
	"sync"
)

// turner is what waits in a ready queue: a connection or a [Task].
type turner interface {
	turn(w *worker)
}

// ready is a loop's queue of those who have something to do. It is made of
// blocks, so that a burst of all connections leaves no memory behind.
type ready struct {
	mu       sync.Mutex
	head     *block // pop here
	tail     *block // push here
	spare    *block // one empty block kept for reuse
	first    int    // index in head of the next to pop
	last     int    // index in tail of the next free place
	waiting  int
	drainers int    // running, or submitted to the pool
	pops     uint64 // ever
	boost    int    // drainers that the next stalled look adds
	held     bool   // the loop waits for slack; see keepPace
	ending   bool   // and never will again
	slack    chan struct{}
}

const blockSize = 256

type block struct {
	items [blockSize]turner
	since [blockSize]uint32 // when each was pushed, on the engine's coarse clock
	next  *block
}

// pushed is what became of a push.
type pushed struct {
	submitted bool // there was no drainer: the caller has to submit one, counted already
	waiting   int
}

func (r *ready) push(t turner, now uint32) (p pushed) {
	r.mu.Lock()
	if r.tail == nil || r.last == blockSize {
		r.growLocked()
	}
	r.tail.items[r.last], r.tail.since[r.last] = t, now
	r.last++
	r.waiting++
	if r.drainers == 0 {
		r.drainers, p.submitted = 1, true
	}
	p.waiting = r.waiting
	r.mu.Unlock()
	return p
}

func (r *ready) growLocked() {
	b := r.spare
	if r.spare = nil; b == nil {
		b = new(block)
	}
	if r.tail == nil {
		r.head, r.first = b, 0
	} else {
		r.tail.next = b
	}
	r.tail, r.last = b, 0
}

// pop takes the first in the queue. If there is none, the calling drainer is
// struck off under the same lock, so that the next push sees it gone.
func (r *ready) pop() (t turner) {
	r.mu.Lock()
	for r.waiting == 0 && r.held { // its loop fills the queue first: no need to leave
		r.letGoLocked()
		r.mu.Unlock()
		runtime.Gosched()
		r.mu.Lock()
	}
	if r.waiting == 0 {
		r.drainers--
		r.mu.Unlock()
		return nil
	}
	b := r.head
	t = b.items[r.first]
	b.items[r.first] = nil
	r.first++
	r.waiting--
	r.pops++
	if r.waiting == 0 {
		r.first, r.last = 0, 0 // the one block left starts afresh
	} else if r.first == blockSize {
		r.head, r.first = b.next, 0
		b.next = nil
		r.spare = b
	}
	r.mu.Unlock()
	return t
}

// unsubmit takes back n drainers that the pool had no place for.
func (r *ready) unsubmit(n int) {
	r.mu.Lock()
	r.drainers -= n
	r.mu.Unlock()
}

// progress is what the monitor remembers of a queue between two looks.
type progress struct{ pops uint64 }

// check is the monitor's look at the queue. It returns how many further drainers
// are to be submitted (counted already): some if those there are took fewer than
// two turns each since the last look while somebody waited, because then their
// handlers block. The number grows fourfold from look to look, so that 200
// blocked handlers are answered within five looks, and a drainer that merely
// lost its processor for a moment costs one task. active is false if nothing runs
// and nobody waits.
func (r *ready) check(last *progress) (submit int, active bool) {
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

// active reports whether a drainer runs or somebody waits.
func (r *ready) active() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drainers > 0 || r.waiting > 0
}

// wait returns the number of those in the queue and the time in milliseconds
// for which the first of them has been waiting.
func (r *ready) wait(now uint32) (waiting int, longest uint32, drainers int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting > 0 {
		if d := int32(now - r.head.since[r.first]); d > 0 {
			longest = uint32(d)
		}
	}
	return r.waiting, longest, r.drainers
}

// A loop that went back to epoll whenever it could would collect single events at
// the price of a system call and two context switches each, on a processor that
// its drainers need. So it keeps pace with them: it yields when it has submitted
// one, and while many wait it is held until the queue is empty; what happens
// meanwhile it collects in one call. With 1,000 connections that echo one message
// each on two processors this takes calls of epoll_pwait from 0.37 per message to
// 0.05, and context switches to a fifth.
const (
	yieldEvery = 16 // at most once in so many events
	holdAt     = 64 // waiting
)

// keepPace is called by the callbacks after a push, on the loop's goroutine only.
func (l *loop) keepPace(now pushed) {
	l.events++
	switch {
	case now.waiting >= holdAt && l.ready.hold():
		<-l.ready.slack
	case now.submitted && l.events-l.yielded >= yieldEvery:
		l.yielded = l.events
		runtime.Gosched()
	}
}

// hold reports whether the loop has to wait for slack. That comes from the drainer
// that finds the queue empty, or at the monitor's next look if handlers block.
func (r *ready) hold() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = r.waiting > 0 && r.drainers > 0 && !r.ending
	return r.held
}

func (r *ready) letGoLocked() {
	if r.held {
		r.held = false
		r.slack <- struct{}{} // has room: a loop is held once at a time
	}
}

// end lets the loop go for good.
func (r *ready) end() {
	r.mu.Lock()
	r.ending = true
	r.letGoLocked()
	r.mu.Unlock()
}
