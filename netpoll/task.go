//go:build linux

package netpoll

import (
	"net/netip"
	"sync/atomic"
)

// Runner is the work of a [Task].
type Runner interface{ Run() }

// Task is a piece of work that runs on the workers of one loop, like the turn of
// a connection: one run at a time, and no Schedule is lost. If a run takes long, other work
// gets another worker within a few milliseconds.
//
// A program may have very many tasks, so a Task can be a field of its Runner, which saves
// the allocation: see Init. It must not be copied.
type Task struct {
	loop   *loop
	runner Runner
	state  atomic.Uint32
}

// Init makes t, which must be zero, a task of the loop with number n modulo the number
// of loops. The caller must call it before the first Schedule. A panic of r.Run is logged, and
// ends that run.
func (t *Task) Init(e *Engine, n int, r Runner) {
	t.loop, t.runner = e.loops[n%len(e.loops)], r
}

// NewTask returns a task that calls run: see Task.Init.
func (e *Engine) NewTask(n int, run func()) *Task {
	t := new(Task)
	t.Init(e, n, runFunc(run))
	return t
}

type runFunc func()

func (f runFunc) Run() { f() }

const taskDue = 1

// Schedule makes the task run soon: at least one run begins after the call. It
// never blocks and is safe from any goroutine.
func (t *Task) Schedule() {
	if t.state.Or(scheduled|taskDue)&scheduled == 0 {
		t.loop.push(t)
	}
}

func (t *Task) turn(w *worker) {
	t.state.Store(scheduled)
	w.run(t)
	if !t.state.CompareAndSwap(scheduled, 0) {
		t.loop.push(t) // scheduled again: after those that wait already
	}
}

// Go runs f in the background, and reports whether it begins at once: at most
// Options.Background functions run at a time, and others begin when one of those has returned.
// Go never blocks and is safe from any goroutine. A panic of f is logged. Shutdown waits for
// functions that have begun. Go is for the program's own work; for work for a peer see GoFor.
func (e *Engine) Go(f func()) (begun bool) { return e.GoFor(netip.Addr{}, f).Begun() }

// GoFor is Go for work for a peer at owner (see OwnerOf), which shares the places
// with other addresses: it gets at most three quarters of them, and less if others have
// some. The caller must Cancel a Job that still waits when its peer has left.
func (e *Engine) GoFor(owner netip.Addr, f func()) *Job { return e.background.start(owner, f) }
