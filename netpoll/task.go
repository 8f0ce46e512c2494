//go:build linux

package netpoll

import "sync/atomic"

// Task is a piece of work that runs on the workers of one loop, like the turn of
// a connection: one run at a time, never lost, and other work does not wait
// behind it for longer than a few milliseconds.
type Task struct {
	loop  *loop
	run   func()
	state atomic.Uint32
}

// NewTask returns a task for the loop with number n modulo the number of loops.
// A panic of run is logged, and that run is over.
func (e *Engine) NewTask(n int, run func()) *Task {
	return &Task{loop: e.loops[n%len(e.loops)], run: run}
}

const taskDue = 1

// Schedule has the task run soon: at least one run begins after the call. It
// never blocks and is safe from any goroutine.
func (t *Task) Schedule() {
	if t.state.Or(scheduled|taskDue)&scheduled == 0 {
		t.loop.push(t)
	}
}

func (t *Task) turn(*worker) {
	t.state.Store(scheduled)
	t.loop.engine.protect(t.run)
	if !t.state.CompareAndSwap(scheduled, 0) {
		t.loop.push(t) // due again: after those who wait already
	}
}
