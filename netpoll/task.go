//go:build linux

package netpoll

import "sync/atomic"

// Runner is what a [Task] does.
type Runner interface{ Run() }

// Task is a piece of work that runs on the workers of one loop, like the turn of
// a connection: one run at a time, never lost, and other work does not wait
// behind it for longer than a few milliseconds.
//
// There may be one for everything that is in memory, so it can be held by value, by
// its Runner too, and is no allocation then: see Init. It must not be copied.
type Task struct {
	loop   *loop
	runner Runner
	state  atomic.Uint32
}

// Init makes t, which is zero, a task for the loop with number n modulo the number
// of loops. It comes before the first Schedule. A panic of r.Run is logged, and that
// run is over.
func (t *Task) Init(e *Engine, n int, r Runner) {
	t.loop, t.runner = e.loops[n%len(e.loops)], r
}

// NewTask returns a task that runs run: see Task.Init.
func (e *Engine) NewTask(n int, run func()) *Task {
	t := new(Task)
	t.Init(e, n, runFunc(run))
	return t
}

type runFunc func()

func (f runFunc) Run() { f() }

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
	t.loop.engine.protect(t.runner.Run)
	if !t.state.CompareAndSwap(scheduled, 0) {
		t.loop.push(t) // due again: after those who wait already
	}
}
