package main

import (
	"context"
	"fmt"
)

// saturate publishes as the windows allow.
func (r *castRun) saturate(ctx context.Context) error {
	l, o := r.load, r.load.opt
	for i, p := range r.publishers {
		limit := int64(unlimited)
		if o.count > 0 {
			limit = share(o.count, i, len(r.publishers))
		}
		p.saturate(uint64(limit))
	}
	if o.count == 0 {
		err := l.pause(ctx, "delivering", o.duration)
		return firstError(err, r.drain(ctx))
	}
	expected := o.count * int64(len(r.subscribers))
	stop := l.progress.during("delivering", expected, l.received)
	defer stop()
	return l.settle(ctx, func() bool { return l.received() >= expected })
}

// paced publishes at the rate.
func (r *castRun) paced(ctx context.Context) error {
	l := r.load
	total := l.opt.total()
	stop := l.progress.during("delivering", total*int64(len(r.subscribers)), l.received)
	defer stop()
	err := l.pace(ctx, newSchedule(l.now(), l.opt.rate), total, func(i, due int64) {
		r.publishers[i%int64(len(r.publishers))].send(ctx, due)
	})
	return firstError(err, r.drain(ctx))
}

// drain stops the publishers and waits for what is under way.
func (r *castRun) drain(ctx context.Context) error {
	expected := r.published() * int64(len(r.subscribers))
	return r.load.settle(ctx, func() bool { return r.load.received() >= expected })
}

// published stops the publishers and returns how many messages they have sent.
func (r *castRun) published() (n int64) {
	for _, p := range r.publishers {
		n += p.stop()
	}
	return n
}

// count adds up what was published, and what of it is missing.
func (r *castRun) count(ctx context.Context) {
	l, m := r.load, r.load.report.Messages
	m.Sent = r.published()
	m.Expected = m.Sent * int64(len(r.subscribers))
	if ctx.Err() != nil {
		m.Expected = m.Received // what was under way is not lost
		return
	}
	m.Missing = max(0, m.Expected-m.Received)
	l.faults.add("missing", "the server did not deliver everything, or was too slow: see also -drain", m.Missing, r.exampleMissing)
	if want := l.opt.total(); (r.window == 0 || l.opt.count > 0) && m.Sent < want {
		l.faults.add("not published", "the publisher's connection ended, or the server did not take more", want-m.Sent, nil)
	}
}

// exampleMissing names somebody who did not get everything.
func (r *castRun) exampleMissing() string {
	for _, s := range r.subscribers {
		for i, p := range r.publishers {
			sent := uint64(p.stop())
			s.shard.mu.Lock()
			q := s.seqs[i]
			s.shard.mu.Unlock()
			if len(q.gaps) > 0 {
				return fmt.Sprintf("subscriber %d: message %d of publisher %d, though number %d came", s.id, q.gaps[0].first, i, q.next-1)
			}
			if q.next < sent {
				return fmt.Sprintf("subscriber %d: message %d of publisher %d and all after it", s.id, q.next, i)
			}
		}
	}
	return ""
}
