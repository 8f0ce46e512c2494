package main

import (
	"context"
	"fmt"
)

func runIdle(l *load, ctx context.Context) error {
	r := newEchoRun(l)
	if err := r.connect(ctx); err != nil {
		return err
	}
	if err := l.pause(ctx, "holding", l.opt.hold); err != nil {
		return err
	}
	if err := l.weigh(fmt.Sprintf("after %v", l.opt.hold)); err != nil {
		return err
	}
	if err := r.exercise(ctx); err != nil {
		return err
	}
	return l.settled()
}

// exercise is -echo and -rest.
func (r *echoRun) exercise(ctx context.Context) error {
	l := r.load
	if !l.opt.echo {
		return nil
	}
	if err := r.echoOnce(ctx); err != nil {
		return err
	}
	if err := l.weigh("after an echo on each"); err != nil || l.opt.rest == 0 {
		return err
	}
	if err := l.pause(ctx, "resting", l.opt.rest); err != nil {
		return err
	}
	return l.weigh(fmt.Sprintf("%v after an echo on each", l.opt.rest))
}

// settled is -settle.
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
		return fmt.Errorf("-settle: %s says %s", l.opt.settle, resp.Status)
	}
	return l.weigh("settled")
}

// echoOnce sends one message on each connection, no more under way at a time than
// handshakes were.
func (r *echoRun) echoOnce(ctx context.Context) error {
	l := r.load
	m := l.measure()
	stop := l.progress.during("echoing", int64(len(r.members)), l.received)
	defer stop()
	var err error
	for i, e := range r.members {
		if i%l.opt.concurrency == 0 && err == nil {
			err = l.settle(ctx, func() bool { return l.received() >= int64(i) })
		}
		if err != nil {
			break
		}
		e.allow(1)
	}
	err = firstError(err, l.settle(ctx, r.answered))
	l.report.Messages = m.end()
	r.count(ctx)
	return err
}
