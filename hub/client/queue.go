package client

import (
	"math"
	"sync"
)

// callbackQueue calls functions one at a time, on a goroutine that exists while there are any.
type callbackQueue struct {
	mu      sync.Mutex
	room    sync.Cond
	waiting []callback
	size    int // of the waiting callbacks and the running one, in bytes
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

// eventSize estimates the memory of a waiting callback without its message, in bytes.
const eventSize = 256

// add queues a callback. It never blocks: see waitForRoom.
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

// waitForRoom blocks while the queue exceeds its limit.
func (q *callbackQueue) waitForRoom() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.size > q.limit {
		q.room.Wait()
	}
}

// unblock removes the limit, and so ends waitForRoom.
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
