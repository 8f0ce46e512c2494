package wsproto

import (
	"sync/atomic"
	"time"
)

// limit is a deadline that a handler may have set, or set meanwhile from elsewhere, for what
// has a deadline of its own as well.
type limit struct{ at atomic.Int64 } // in Unix nanoseconds; 0 for none

func (l *limit) set(t time.Time) {
	if t.IsZero() {
		l.at.Store(0)
		return
	}
	l.at.Store(t.UnixNano())
}

// apply sets the earlier of the limit and until. If the limit changes meanwhile it is set
// again: else the one that it was would overtake the one that it is.
func (l *limit) apply(until time.Time, set func(time.Time) error) {
	for {
		at, t := l.at.Load(), until
		if at != 0 && at < until.UnixNano() {
			t = time.Unix(0, at)
		}
		_ = set(t)
		if l.at.Load() == at {
			return
		}
	}
}
