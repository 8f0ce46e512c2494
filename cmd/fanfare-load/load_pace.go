package main

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// schedule is a steady rate: the time at which message i is due does not depend on the messages before it.
type schedule struct {
	start int64   // on the run's clock, in nanoseconds
	every float64 // nanoseconds
}

func newSchedule(start int64, rate float64) schedule {
	return schedule{start: start, every: 1e9 / rate}
}

// due returns when message i is due.
func (s schedule) due(i int64) int64 { return s.start + int64(float64(i)*s.every) }

// pace calls send for each message from 0 to total when it is due, and at once for late ones. It returns early if ctx is
// done.
//
// It sleeps with nanosleep(2), because timers of the Go runtime are up to a millisecond late, which would be part of every
// latency.
func (s schedule) pace(ctx context.Context, now func() int64, total int64, send func(i, due int64)) error {
	for i := range total {
		if err := s.wait(ctx, now, i); err != nil {
			return err
		}
		send(i, s.due(i))
	}
	return nil
}

// wait returns when message i is due.
func (s schedule) wait(ctx context.Context, now func() int64, i int64) error {
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		left := s.due(i) - now()
		if left <= 0 {
			return nil
		}
		t := unix.NsecToTimespec(min(left, int64(20*time.Millisecond)))
		_ = unix.Nanosleep(&t, nil) // a signal may wake it early: the loop continues
	}
}
