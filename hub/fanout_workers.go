package hub

import "sync/atomic"

// Workers run tasks, in a number of loops. Each subscriber belongs to a loop.
type Workers interface {
	// Loops returns the number of loops. It is called once, by Hub.Start.
	Loops() int
	// NewTask returns a task that runs r on the workers of a loop, which is below Loops.
	NewTask(loop int, r Runner) Task
}

// Task is work that runs soon after each Schedule, one run at a time, and never within Schedule,
// which is called under locks. A *netpoll.Task is one.
type Task interface{ Schedule() }

// Runner is the function of a [Task].
type Runner interface{ Run() }

// Goroutines are [Workers] with that number of loops, for programs without a server: a task has
// a goroutine for as long as it has something to do.
type Goroutines int

// Loops makes Goroutines Workers.
func (n Goroutines) Loops() int { return max(int(n), 1) }

// NewTask makes Goroutines Workers.
func (Goroutines) NewTask(_ int, r Runner) Task { return &goTask{runner: r} }

// goTask is a Task on goroutines.
type goTask struct {
	runner Runner
	state  atomic.Int32 // 0 idle, 1 running, 2 running and due again
}

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
