package servers

import "sync"

// room is the chat of gorilla's and coder's examples, for libraries without a broadcast: each member has a channel, and a
// goroutine that writes the messages from it. A member whose channel is full is closed.
type room[T any] struct {
	mu      sync.Mutex
	members map[chan T]func()
}

// backlog is the number of messages that may wait for a member, as in gorilla's example.
const backlog = 256

// join adds a member until leave is called.
func (r *room[T]) join(write func(T) error, cut func()) (leave func()) {
	out := make(chan T, backlog)
	r.mu.Lock()
	if r.members == nil {
		r.members = make(map[chan T]func())
	}
	r.members[out] = cut
	r.mu.Unlock()
	go func() {
		for m := range out {
			if write(m) != nil {
				cut()
				return
			}
		}
	}()
	return func() {
		r.mu.Lock()
		delete(r.members, out)
		r.mu.Unlock()
		close(out)
	}
}

func (r *room[T]) publish(m T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for out, cut := range r.members {
		select {
		case out <- m:
		default:
			go cut() // it may wait
			delete(r.members, out)
		}
	}
}
