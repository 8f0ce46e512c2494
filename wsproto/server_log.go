package wsproto

import (
	"log/slog"
	"sync"
	"time"
)

// logLimiter logs events that strangers can cause at any rate: the first at once, then at
// most one per logPause, with the number of events that were left out.
type logLimiter struct {
	mu   sync.Mutex
	next time.Time
	left int
}

const logPause = 10 * time.Second

func (l *logLimiter) warn(log *slog.Logger, msg string, args ...any) {
	l.mu.Lock()
	now := time.Now()
	if now.Before(l.next) {
		l.left++
		l.mu.Unlock()
		log.Debug(msg, args...)
		return
	}
	left := l.left
	l.left, l.next = 0, now.Add(logPause)
	l.mu.Unlock()
	if left > 0 {
		args = append(args, "before", left)
	}
	log.Warn(msg, args...)
}
