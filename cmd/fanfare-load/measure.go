package main

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// measurement is a period in which messages are sent, with the CPU time that it takes.
type measurement struct {
	load   *load
	start  int64
	server time.Duration // CPU time; negative if it is unknown
	client time.Duration
	counts *counters // nil without -pid

	switches map[int]switches // nil without -pid
}

// measure starts a measurement.
func (l *load) measure() *measurement {
	m := &measurement{load: l}
	if l.opt.pid != 0 {
		m.counts, m.switches = countAll(l.opt.pid), threadSwitches(l.opt.pid)
	}
	m.start, m.server, m.client = l.now(), l.serverCPU(), ownCPU()
	return m
}

// end returns a report of the counts of all shards. Its time ends with the last message received.
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
		r.Switches = switchesSince(m.switches, threadSwitches(m.load.opt.pid), right)
		var err error
		if r.Counters, err = m.counts.end(right); err != nil {
			r.Uncounted = err.Error()
		}
	}
	return r
}

// cores returns the average number of busy processors.
func cores(cpu time.Duration, wall int64) float64 { return float64(cpu) / float64(max(1, wall)) }

func ptr[T any](v T) *T { return &v }

// serverCPU returns the server's CPU time so far; negative if it is unknown.
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

// ownCPU returns the CPU time of this process so far.
func ownCPU() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// pace runs a schedule until its end, or until no connection is left.
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

// firstError returns the first error that is not nil.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
