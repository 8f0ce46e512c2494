package main

import (
	"context"
	"fmt"
)

// follow runs a phase and adds its result to the report. It gives up messages of the previous phase that have not arrived.
func (r *broadcastRun) follow(ctx context.Context, c *phase) error {
	l, n := r.load, len(r.publishers)
	// Publishers begin first, so that they ignore shards that are done with a message of the previous phase.
	first := make([]uint64, n)
	for i, p := range r.publishers {
		first[i] = p.begin(share(c.window, i, n))
	}
	for _, s := range l.shards {
		s.mu.Lock()
		s.broadcast.begin(first, (c.window+n-1)/n)
		s.mu.Unlock()
	}
	l.restart()
	m := l.measure()
	var err error
	if c.window > 0 {
		err = r.saturate(ctx, c)
	} else {
		err = r.paced(ctx, c)
	}
	got := m.end()
	l.report.add(got, c.flags)
	r.count(ctx, c, got)
	return err
}

// saturate publishes as the windows allow.
func (r *broadcastRun) saturate(ctx context.Context, c *phase) error {
	l := r.load
	for i, p := range r.publishers {
		limit := int64(unlimited)
		if c.count > 0 {
			limit = share(c.count, i, len(r.publishers))
		}
		p.saturate(uint64(limit))
	}
	if c.count == 0 {
		err := l.pause(ctx, "delivering", c.duration)
		return firstError(err, r.drain(ctx))
	}
	expected := c.count * int64(len(r.subscribers))
	stop := l.progress.during("delivering", expected, l.received)
	defer stop()
	return l.settle(ctx, func() bool { return l.received() >= expected })
}

// paced publishes at a rate.
func (r *broadcastRun) paced(ctx context.Context, c *phase) error {
	l := r.load
	total := c.total()
	stop := l.progress.during("delivering", total*int64(len(r.subscribers)), l.received)
	defer stop()
	err := l.pace(ctx, newSchedule(l.now(), c.rate), total, func(i, due int64) {
		r.publishers[i%int64(len(r.publishers))].send(ctx, due)
	})
	return firstError(err, r.drain(ctx))
}

// drain stops the publishers and waits for the messages in flight.
func (r *broadcastRun) drain(ctx context.Context) error {
	expected := r.published() * int64(len(r.subscribers))
	return r.load.settle(ctx, func() bool { return r.load.received() >= expected })
}

// published stops the publishers and returns how many messages of the phase they have sent.
func (r *broadcastRun) published() (n int64) {
	for _, p := range r.publishers {
		sent, before := p.stop()
		n += int64(sent - before)
	}
	return n
}

// count adds to m how many messages a phase published, and how many are missing.
func (r *broadcastRun) count(ctx context.Context, c *phase, m *messagesReport) {
	l := r.load
	m.Sent = r.published()
	m.Expected = m.Sent * int64(len(r.subscribers))
	if ctx.Err() != nil {
		m.Expected = m.Received // messages in flight are not lost
		return
	}
	m.Missing = max(0, m.Expected-m.Received)
	l.faults.add("missing", "the server did not deliver all messages, or was too slow; see also -drain", m.Missing, r.exampleMissing)
	if want := c.total(); (c.window == 0 || c.count > 0) && m.Sent < want {
		l.faults.add("not published", "the publisher's connection ended, or the server did not read fast enough", want-m.Sent, nil)
	}
}

// exampleMissing names a subscriber with a missing message.
func (r *broadcastRun) exampleMissing() string {
	for _, s := range r.subscribers {
		for i, p := range r.publishers {
			sent, _ := p.stop()
			s.shard.mu.Lock()
			q := s.seqs[i]
			s.shard.mu.Unlock()
			if len(q.gaps) > 0 {
				return fmt.Sprintf("subscriber %d: message %d of publisher %d, although message %d arrived", s.id, q.gaps[0].first, i, q.next-1)
			}
			if q.next < sent {
				return fmt.Sprintf("subscriber %d: message %d of publisher %d and all after it", s.id, q.next, i)
			}
		}
	}
	return ""
}
