package main

import "sync"

// inOrder runs functions in the order of their places, each as soon as it and those before it are there. Its methods may be
// called from any goroutine. The functions run one at a time, without a lock, on the goroutine that made them possible.
type inOrder struct {
	mu      sync.Mutex
	places  []func() // nil for those that are not there yet; the session bounds how many there are
	first   int      // number of places[0]
	running bool
}

// place takes the next place. The result must be called once, with the function for it.
func (o *inOrder) place() (there func(func())) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.first + len(o.places)
	o.places = append(o.places, nil)
	return func(f func()) { o.there(n, f) }
}

func (o *inOrder) there(n int, f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.places[n-o.first] = f
	if o.running {
		return
	}
	o.running = true
	for len(o.places) > 0 && o.places[0] != nil {
		f := o.places[0]
		o.places[0] = nil
		o.places, o.first = o.places[1:], o.first+1
		o.mu.Unlock()
		f()
		o.mu.Lock()
	}
	o.running = false
}
