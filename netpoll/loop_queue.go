//go:build linux

package netpoll

import (
	"runtime"
	"sync"
)

// turner is an item of a ready queue: a connection or a [Task].
type turner interface {
	turn(w *worker)
}

// ready is a loop's queue of connections and tasks that have something to do. It is made of
// blocks, so that it shrinks again after a burst of all connections.
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
	ending   bool   // and must never wait again
	slack    chan struct{}
}

const blockSize = 256

type block struct {
	items [blockSize]turner
	since [blockSize]uint32 // when each was pushed, on the engine's coarse clock
	next  *block
}

// pushed is the result of a push.
type pushed struct {
	submitted bool // there was no drainer: the caller must submit one, which is counted already
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

// pop takes the first item of the queue. If there is none, it counts the calling drainer
// off under the same lock, so that the next push asks for another.
func (r *ready) pop() (t turner) {
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
		return nil
	}
	b := r.head
	t = b.items[r.first]
	b.items[r.first] = nil
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
	return t
}

// unsubmit takes back n drainers that the pool refused.
func (r *ready) unsubmit(n int) {
	r.mu.Lock()
	r.drainers -= n
	r.mu.Unlock()
}

// progress is what the monitor remembers about a queue between two looks.
type progress struct{ pops uint64 }

// check is the monitor's look at the queue. It returns how many further drainers
// the caller must submit; they are counted already. Drainers are added if the queue is not
// empty and the present ones took fewer than two turns each since the last look, because then
// their handlers block. The number grows fourfold from look to look, so that 200
// blocked handlers are matched within five looks, and a drainer that merely
// lost its processor for a moment costs one task. active is false if no drainer runs
// and the queue is empty.
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

// active reports whether a drainer runs or the queue is not empty.
func (r *ready) active() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drainers > 0 || r.waiting > 0
}

// wait returns the length of the queue, the time in milliseconds
// for which its first item has been waiting, and the number of drainers.
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

// A loop that went back to epoll whenever it could would collect single events, each at
// the price of a system call and two context switches, on a processor that
// its drainers need. So it keeps pace with them: it yields when it has submitted
// one, and while many connections wait it is held until the queue is empty; then it collects
// the events of that time in one call. With 1,000 connections that echo one message
// each on two processors this reduces calls of epoll_pwait from 0.37 per message to
// 0.05, and context switches to a fifth.
const (
	yieldEvery = 16 // at most once in so many events
	holdAt     = 64 // waiting
)

// keepPace is called by the callbacks after a push, only on the loop's goroutine.
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

// hold reports whether the loop must wait for slack. The drainer
// that finds the queue empty sends it, or the monitor's next look if handlers block.
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

// end lets the loop go, and it is never held again.
func (r *ready) end() {
	r.mu.Lock()
	r.ending = true
	r.letGoLocked()
	r.mu.Unlock()
}
