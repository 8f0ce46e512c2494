package fair

import (
	"context"
	"sync"
)

// Semaphore limits the number of holders at a time. Waiting callers are admitted in the order of a
// [Queue]. Its methods may be called from any goroutine.
type Semaphore[K comparable] struct {
	perOwner int // limit of the places of one owner

	mu      sync.Mutex
	free    int
	inside  map[K]int
	waiting *Queue[K, chan error] // each receives nil with its place, or the error
}

// NewSemaphore returns a Semaphore with that many places, of which one owner has at most perOwner, and
// with limits for the waiting callers, per owner and in total.
func NewSemaphore[K comparable](places, perOwner, waitingPerOwner, waiting int) *Semaphore[K] {
	return &Semaphore[K]{
		perOwner: perOwner, free: places, inside: make(map[K]int),
		waiting: NewQueue[K, chan error](waitingPerOwner, waiting),
	}
}

// Acquire waits for a place. The caller must call release to give it back. The error is ErrOwnerLimit or
// ErrTotalLimit if too many callers are waiting, or the cause of ctx.
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
		err = <-turn // the place came at the same time
	}
	if err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() { g.release(k) }), nil
}

// TryAcquire is Acquire without waiting: the error is ErrOwnerLimit or ErrTotalLimit if no place is
// free for the owner.
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

// Waiting returns the number of waiting callers.
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

// admitLocked gives the free places to the next waiting callers.
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
