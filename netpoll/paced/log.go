// Package paced logs events that strangers can cause at any rate. The lock of a Log is a leaf, and is not held while it logs.
package paced

import (
	"log/slog"
	"sync"
	"time"
)

// Log logs the first event at once, then at most one per Pause, with the number of events that were left out. The zero
// value is ready. Its methods are safe from any goroutine.
type Log struct {
	mu   sync.Mutex
	next time.Time
	left int
}

// Pause is the least time between two lines.
const Pause = 10 * time.Second

// Warn logs an event, and reports whether it was not left out.
func (l *Log) Warn(log *slog.Logger, msg string, args ...any) (logged bool) {
	left, ok := l.Due()
	if !ok {
		log.Debug(msg, args...)
		return false
	}
	if left > 0 {
		args = append(args, "left_out", left)
	}
	log.Warn(msg, args...)
	return true
}

// Due reports whether the caller may log a line now, which then counts, and how many were left out before. It is for lines
// that cost something to make.
func (l *Log) Due() (left int, ok bool) { return l.may(time.Now()) }

// may reports whether a line may be logged, and how many were left out before.
func (l *Log) may(now time.Time) (left int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.next) {
		l.left++
		return 0, false
	}
	left = l.left
	l.left, l.next = 0, now.Add(Pause)
	return left, true
}
