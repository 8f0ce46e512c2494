package main

import (
	"context"
	"fmt"
)

func runIdle(l *load, ctx context.Context) error {
	r := newEchoRun(l)
	for _, n := range l.opt.levels() {
		if err := r.connect(ctx, n-l.report.Connections.Wanted); err != nil {
			return err
		}
		if err := l.rest(ctx, "holding", l.opt.hold, fmt.Sprintf("after %v", l.opt.hold)); err != nil {
			return err
		}
		if err := r.exercise(ctx); err != nil {
			return err
		}
	}
	return l.settled()
}

// exercise does -echo and -rest.
func (r *echoRun) exercise(ctx context.Context) error {
	l := r.load
	if !l.opt.echo {
		return nil
	}
	if err := r.echoOnce(ctx); err != nil {
		return err
	}
	if err := l.weigh("echoed on each"); err != nil || l.opt.rest == 0 {
		return err
	}
	return l.rest(ctx, "resting", l.opt.rest, fmt.Sprintf("%v later", l.opt.rest))
}

// settled does -settle.
func (l *load) settled() error {
	if l.opt.settle == "" {
		return nil
	}
	resp, err := get(l.opt.settle)
	if err != nil {
		return fmt.Errorf("-settle: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("-settle: %s answered %s", l.opt.settle, resp.Status)
	}
	return l.weigh("settled")
}

// echoOnce sends one message on each connection that has not sent one. At most -concurrency messages are in flight.
func (r *echoRun) echoOnce(ctx context.Context) error {
	l := r.load
	fresh := r.echoers[r.echoed:]
	r.echoed = len(r.echoers)
	l.restart()
	m := l.measure()
	stop := l.progress.during("echoing", int64(len(fresh)), l.received)
	defer stop()
	var err error
	for i, e := range fresh {
		if i%l.opt.concurrency == 0 && err == nil {
			err = l.settle(ctx, func() bool { return l.received() >= int64(i) })
		}
		if err != nil {
			break
		}
		e.allow(1)
	}
	err = firstError(err, l.settle(ctx, func() bool { return answered(fresh) }))
	got := m.end()
	l.report.add(got, fmt.Sprintf("-n %d", len(r.echoers)))
	r.count(ctx, fresh, got)
	return firstError(err, r.doubts.end())
}
