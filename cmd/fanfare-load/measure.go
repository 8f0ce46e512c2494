package main

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// measurement is the time in which messages are sent, and the processor time
// that it takes.
type measurement struct {
	load   *load
	start  int64
	server time.Duration // of the processor, or negative
	client time.Duration
	counts *counters // nil without a server that is known
}

// measure begins one.
func (l *load) measure() *measurement {
	m := &measurement{load: l}
	if l.opt.pid != 0 {
		m.counts = countAll(l.opt.pid)
	}
	m.start, m.server, m.client = l.now(), l.serverCPU(), ownCPU()
	return m
}

// end returns what the shards have counted. The time ends with the last message
// that came.
func (m *measurement) end() *messagesReport {
	client, server := ownCPU()-m.client, time.Duration(-1)
	if now := m.load.serverCPU(); now >= 0 && m.server >= 0 {
		server = now - m.server
	}
	wall := m.load.now() - m.start
	hist, t := merge(m.load.shards)
	right := t.received - t.instead
	r := &messagesReport{
		Size:       m.load.opt.size,
		Received:   right,
		instead:    t.instead,
		Duplicated: t.duplicated,
		Reordered:  t.reordered,
		Wrong:      t.wrong,
		Latency:    latencyOf(hist),
		ClientCPU:  cores(client, wall),
	}
	if r.Seconds = float64(t.last-m.start) / 1e9; r.Seconds > 0 && right > 0 {
		r.PerSecond = float64(right) / r.Seconds
	} else {
		r.Seconds = 0
	}
	if server >= 0 {
		r.ServerCPU = ptr(cores(server, wall))
		if right > 0 {
			r.ServerMicros = ptr(float64(server.Nanoseconds()) / 1e3 / float64(right))
		}
	}
	if m.counts != nil {
		var err error
		if r.Counters, err = m.counts.end(right); err != nil {
			r.Uncounted = err.Error()
		}
	}
	return r
}

// cores returns how many processors were busy, on average.
func cores(cpu time.Duration, wall int64) float64 { return float64(cpu) / float64(max(1, wall)) }

func ptr[T any](v T) *T { return &v }

// serverCPU returns the server's processor time so far; negative if it cannot be
// known.
func (l *load) serverCPU() time.Duration {
	if l.opt.pid == 0 {
		return -1
	}
	d, err := processCPU(l.opt.pid)
	if err != nil {
		return -1
	}
	return d
}

// ownCPU returns the processor time of this process so far.
func ownCPU() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// pace runs a schedule until it is over, or until no connection is left.
func (l *load) pace(ctx context.Context, s schedule, total int64, send func(i, due int64)) error {
	paced, cancel := context.WithCancel(ctx)
	defer cancel()
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = s.pace(paced, l.now, total, send)
	}()
	err := l.until(ctx, 2*time.Millisecond, func() bool {
		select {
		case <-over:
			return true
		default:
			return false
		}
	})
	cancel()
	<-over
	return err
}

// firstError returns the first that is not nil.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
