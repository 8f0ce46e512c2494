package client

import (
	"math"
	"sync"
)

// queue calls functions one after the other, on a goroutine that lives while there are
// any.
type queue struct {
	mu      sync.Mutex
	room    sync.Cond
	waiting []job
	size    int // of those that wait, and the one that runs
	limit   int
	running bool
}

type job struct {
	run  func()
	size int
}

func newQueue(limit int) *queue {
	q := &queue{limit: limit}
	q.room.L = &q.mu
	return q
}

// eventSize is about what it takes to have a callback wait, beside its message.
const eventSize = 256

// add never blocks: see await.
func (q *queue) add(size int, run func()) {
	size += eventSize
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, job{run, size})
	q.size += size
	if !q.running {
		q.running = true
		go q.run()
	}
}

// await returns when the queue is within its limit.
func (q *queue) await() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.size > q.limit {
		q.room.Wait()
	}
}

// release has nobody wait for room any more.
func (q *queue) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit = math.MaxInt
	q.room.Broadcast()
}

func (q *queue) run() {
	for {
		q.mu.Lock()
		jobs := q.waiting
		q.waiting = nil
		if len(jobs) == 0 {
			q.running = false
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		for i, j := range jobs {
			j.run()
			jobs[i] = job{}
			q.done(j.size)
		}
	}
}

func (q *queue) done(size int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.size -= size
	q.room.Broadcast()
}
