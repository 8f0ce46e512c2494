//go:build linux

package netpoll

import "runtime"

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
