package client

import (
	"math"
	"sync"
)

// callbackQueue calls functions one after the other, on a goroutine that lives while there are
// any.
type callbackQueue struct {
	mu      sync.Mutex
	room    sync.Cond
	waiting []callback
	size    int // of those that wait, and the one that runs
	limit   int
	running bool
}

type callback struct {
	run  func()
	size int
}

func newCallbackQueue(limit int) *callbackQueue {
	q := &callbackQueue{limit: limit}
	q.room.L = &q.mu
	return q
}

// eventSize is about what it takes to have a callback wait, beside its message.
const eventSize = 256

// add never blocks: see waitForRoom.
func (q *callbackQueue) add(size int, run func()) {
	size += eventSize
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, callback{run, size})
	q.size += size
	if !q.running {
		q.running = true
		go q.run()
	}
}

// waitForRoom returns when the queue is within its limit.
func (q *callbackQueue) waitForRoom() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.size > q.limit {
		q.room.Wait()
	}
}

// unblock has nobody wait for room any more.
func (q *callbackQueue) unblock() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit = math.MaxInt
	q.room.Broadcast()
}

func (q *callbackQueue) run() {
	for {
		q.mu.Lock()
		batch := q.waiting
		q.waiting = nil
		if len(batch) == 0 {
			q.running = false
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		for i, j := range batch {
			j.run()
			batch[i] = callback{}
			q.done(j.size)
		}
	}
}

func (q *callbackQueue) done(size int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.size -= size
	q.room.Broadcast()
}
