package fair

import (
	"context"
	"sync"
)

// Semaphore lets only so many in at a time; those who wait for a place get it in the order of a
// Queue. Its methods are safe from any goroutine.
type Semaphore[K comparable] struct {
	perOwner int // places that one owner has at most

	mu      sync.Mutex
	free    int
	inside  map[K]int
	waiting *Queue[K, chan error] // each gets nil with its place, or why there is none
}

// NewSemaphore returns a gate with so many places, of which one owner has at most perOwner, and
// for so many who wait, of one owner and in total.
func NewSemaphore[K comparable](places, perOwner, waitingPerOwner, waiting int) *Semaphore[K] {
	return &Semaphore[K]{
		perOwner: perOwner, free: places, inside: make(map[K]int),
		waiting: NewQueue[K, chan error](waitingPerOwner, waiting),
	}
}

// Acquire waits for a place, which release gives back. The error is ErrOwnerLimit or ErrTotalLimit if too
// many wait, or the cause for which ctx has ended.
func (g *Semaphore[K]) Acquire(ctx context.Context, k K) (release func(), err error) {
	turn, err := g.queue(k)
	if err != nil {
		return nil, err
	}
	select {
	case err = <-turn:
	case <-ctx.Done():
		g.mu.Lock()
		gone := g.waiting.Remove(k, func(c chan error) bool { return c == turn })
		g.mu.Unlock()
		if gone {
			return nil, context.Cause(ctx)
		}
		err = <-turn // it came at the same time
	}
	if err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() { g.release(k) }), nil
}

// TryAcquire is Acquire of one who cannot wait: the error is ErrOwnerLimit or ErrTotalLimit if there is no place
// for them now.
func (g *Semaphore[K]) TryAcquire(k K) (release func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.inside[k] >= g.perOwner:
		return nil, ErrOwnerLimit
	case g.free == 0:
		return nil, ErrTotalLimit
	}
	g.takeLocked(k)
	return sync.OnceFunc(func() { g.release(k) }), nil
}

// Waiting returns how many wait for a place.
func (g *Semaphore[K]) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting.Len()
}

func (g *Semaphore[K]) queue(k K) (turn chan error, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	turn = make(chan error, 1)
	shed, was, err := g.waiting.Push(k, turn)
	if was {
		shed <- ErrTotalLimit
	}
	g.admitLocked()
	return turn, err
}

func (g *Semaphore[K]) release(k K) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.free++
	if g.inside[k]--; g.inside[k] == 0 {
		delete(g.inside, k)
	}
	g.admitLocked()
}

// admitLocked gives the places that are free to those whose turn it is.
func (g *Semaphore[K]) admitLocked() {
	for g.free > 0 {
		k, turn, ok := g.waiting.Pop(func(k K) bool { return g.inside[k] < g.perOwner })
		if !ok {
			return
		}
		g.takeLocked(k)
		turn <- nil
	}
}

func (g *Semaphore[K]) takeLocked(k K) {
	g.free--
	g.inside[k]++
}
