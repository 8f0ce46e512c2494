package wsproto

import (
	"log/slog"
	"sync"
	"time"
)

// sparse logs what strangers can cause as often as they like: the first at once, then at
// most one in sparsePause, with the number of those that were left out.
type sparse struct {
	mu   sync.Mutex
	next time.Time
	left int
}

const sparsePause = 10 * time.Second

func (l *sparse) warn(log *slog.Logger, msg string, args ...any) {
	l.mu.Lock()
	now := time.Now()
	if now.Before(l.next) {
		l.left++
		l.mu.Unlock()
		log.Debug(msg, args...)
		return
	}
	left := l.left
	l.left, l.next = 0, now.Add(sparsePause)
	l.mu.Unlock()
	if left > 0 {
		args = append(args, "before", left)
	}
	log.Warn(msg, args...)
}
