package chat

import (
	"sync"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/fair"
)

// jobs asks the store for those who would hold a worker otherwise: by a few goroutines, in
// turns of the users. Its methods are safe from any goroutine.
type jobs struct {
	most int // goroutines

	mu      sync.Mutex
	pending *fair.Queue[int64, job]
	running int
	closed  bool
	idle    sync.Cond // running is 0
}

// job is done once, or refused: of the two functions one is called, and may wait.
type job struct {
	do     func()
	refuse func(error)
}

func newJobs(most, perUser, total int) *jobs {
	j := &jobs{most: most, pending: fair.NewQueue[int64, job](perUser, total)}
	j.idle.L = &j.mu
	return j
}

// add has something done soon. It never waits.
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

// run does what there is, and ends.
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

// close returns when all is done. What comes later is refused.
func (j *jobs) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	for j.running > 0 {
		j.idle.Wait()
	}
}
