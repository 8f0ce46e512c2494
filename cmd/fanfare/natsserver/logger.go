//go:build cluster

package natsserver

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// What is logged at most: lines that differ only in numbers once in paceTime, and paceKinds kinds of lines in that time.
const (
	paceTime  = 10 * time.Second
	paceKinds = 20
)

// logger passes on what nats-server says. Its notices are details for the operator of fanfare, so they have the level debug.
type logger struct {
	log   *slog.Logger
	fatal chan string // the first error after which the server cannot work

	mu   sync.Mutex
	said map[string]*kind
}

// kind is lines that differ only in numbers, such as ports and ids of connections.
type kind struct {
	at   time.Time // of the last one that was logged
	more int       // that were not
}

func newLogger(log *slog.Logger) *logger {
	return &logger{log: log, fatal: make(chan string, 1), said: make(map[string]*kind)}
}

// Debugf is not called: the server does not make these lines.
func (l *logger) Debugf(string, ...any) {}

// Tracef is not called either.
func (l *logger) Tracef(string, ...any) {}

// Noticef makes logger a server.Logger.
func (l *logger) Noticef(format string, v ...any) { l.say(slog.LevelDebug, format, v) }

// Warnf makes logger a server.Logger.
func (l *logger) Warnf(format string, v ...any) { l.say(slog.LevelWarn, format, v) }

// Errorf makes logger a server.Logger.
func (l *logger) Errorf(format string, v ...any) { l.say(slog.LevelError, format, v) }

// Fatalf makes logger a server.Logger. nats-server expects that the process ends, which is for Start to decide.
func (l *logger) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
		l.say(slog.LevelError, format, v)
	}
}

func (l *logger) say(level slog.Level, format string, v []any) {
	if !l.log.Enabled(context.Background(), level) {
		return
	}
	text := fmt.Sprintf(format, v...)
	if level < slog.LevelWarn {
		l.log.Log(context.Background(), level, "the NATS server in this process says", "text", text)
		return
	}
	if more, ok := l.may(text, time.Now()); ok && more > 0 {
		l.log.Log(context.Background(), level, "the NATS server in this process reports a problem", "text", text, "more", more)
	} else if ok {
		l.log.Log(context.Background(), level, "the NATS server in this process reports a problem", "text", text)
	}
}

// may reports whether a line may be logged now, and how many of its kind have been left out since the last one.
func (l *logger) may(text string, now time.Time) (more int, ok bool) {
	key := strings.Map(func(c rune) rune {
		if '0' <= c && c <= '9' {
			return -1
		}
		return c
	}, text)
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.said[key]
	if k == nil {
		if !l.roomLocked(now) {
			return 0, false
		}
		l.said[key] = &kind{at: now}
		return 0, true
	}
	if now.Sub(k.at) < paceTime {
		k.more++
		return 0, false
	}
	more = k.more
	k.at, k.more = now, 0
	return more, true
}

// roomLocked reports whether another kind may be logged.
func (l *logger) roomLocked(now time.Time) bool {
	for key, k := range l.said {
		if len(l.said) >= paceKinds && now.Sub(k.at) >= paceTime {
			delete(l.said, key)
		}
	}
	return len(l.said) < paceKinds
}
