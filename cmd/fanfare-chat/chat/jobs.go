package chat

import (
	"sync"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/fair"
)

// jobs runs queries of the store on a few goroutines, in turns of the users, so that no worker of the
// engine waits for them. Its methods may be called from any goroutine.
type jobs struct {
	most int // limit of goroutines

	mu      sync.Mutex
	pending *fair.Queue[int64, job]
	running int
	closed  bool
	idle    sync.Cond // signalled when running becomes 0
}

// job is a job of a user. Exactly one of the functions is called, once; it may block.
type job struct {
	do     func()
	refuse func(error)
}

func newJobs(most, perUser, total int) *jobs {
	j := &jobs{most: most, pending: fair.NewQueue[int64, job](perUser, total)}
	j.idle.L = &j.mu
	return j
}

// add queues a job. It never waits.
func (j *jobs) add(user int64, do func(), refuse func(error)) {
	j.mu.Lock()
	var shed job
	var was bool
	err := errClosed
	if !j.closed {
		shed, was, err = j.pending.Push(user, job{do, refuse})
	}
	if err == nil && j.running < j.most {
		j.running++
		go j.run()
	}
	j.mu.Unlock()
	if was {
		shed.refuse(fair.ErrTotalLimit)
	}
	if err != nil {
		refuse(err)
	}
}

// run runs jobs until there are none.
func (j *jobs) run() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		_, next, ok := j.pending.Pop(nil)
		if !ok {
			break
		}
		j.mu.Unlock()
		next.do()
		j.mu.Lock()
	}
	if j.running--; j.running == 0 {
		j.idle.Broadcast()
	}
}

// close returns when all queued jobs are done. Later jobs are refused.
func (j *jobs) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	for j.running > 0 {
		j.idle.Wait()
	}
}
