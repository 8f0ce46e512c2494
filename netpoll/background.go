//go:build linux

package netpoll

import "sync"

// background runs what may block for long and waits for turns, on goroutines of
// its own: on the workers it could take the place of the turn that it waits for.
type background struct {
	most    int
	mu      sync.Mutex
	running int
	waiting []func() // first come, first served
}

// Go has f run in the background, and reports whether it begins at once: at most
// Options.Background do so at a time, others when one of those has returned. It never
// blocks and is safe from any goroutine. A panic of f is logged. Shutdown waits for
// those that have begun.
func (e *Engine) Go(f func()) (begun bool) {
	b := &e.background
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running == b.most {
		b.waiting = append(b.waiting, f)
		return false
	}
	b.running++
	go func() {
		for f := f; f != nil; f = b.next() {
			e.protect(f)
		}
	}()
	return true
}

// next returns one that waits; nil, and the goroutine has to end, if there is none.
func (b *background) next() (f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		b.running--
		b.waiting = nil
		return nil
	}
	f, b.waiting[0] = b.waiting[0], nil
	b.waiting = b.waiting[1:]
	return f
}

func (b *background) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.running
}

// protect runs f. A panic is logged, and that run is over.
func (e *Engine) protect(f func()) {
	defer func() {
		if v := recover(); v != nil {
			e.panicked(v)
		}
	}()
	f()
}
