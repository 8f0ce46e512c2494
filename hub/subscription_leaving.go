package hub

import "sync"

// leaving counts the subscriptions that have left, and not got all. Its zero value is
// ready.
type leaving struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed when there are none; nil if nobody waits
}

func (l *leaving) add(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n += n; l.n == 0 && l.none != nil {
		close(l.none)
		l.none = nil
	}
}

// wait returns what is closed when there are none.
func (l *leaving) wait() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.none == nil {
		l.none = make(chan struct{})
		if l.n == 0 {
			none := l.none
			close(none)
			l.none = nil
			return none
		}
	}
	return l.none
}
