package hub

import "sync/atomic"

// Task is work that runs soon after each Schedule, one run at a time, and never
// within Schedule, which is called under locks. *netpoll.Task is one.
type Task interface{ Schedule() }

// Runner is what a [Task] does.
type Runner interface{ Run() }

// goTask is a Task on goroutines.
type goTask struct {
	runner Runner
	state  atomic.Int32 // 0 idle, 1 running, 2 running and due again
}

func newGoTask(_ int, r Runner) Task { return &goTask{runner: r} }

func (t *goTask) Schedule() {
	if t.state.Swap(2) == 0 {
		go func() {
			for {
				t.state.Store(1)
				t.runner.Run()
				if t.state.CompareAndSwap(1, 0) {
					return
				}
			}
		}()
	}
}
