package hub

import "sync"

// leaving counts the subscriptions that have left and still have a backlog. Its zero value is
// ready for use.
type leaving struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed when n becomes 0; nil if nothing waits
}

func (l *leaving) add(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n += n; l.n == 0 && l.none != nil {
		close(l.none)
		l.none = nil
	}
}

// wait returns a channel that is closed when there are none.
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
