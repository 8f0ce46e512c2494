package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/fanfare-ws/fanfare/hub/client"
	protocol "github.com/fanfare-ws/fanfare/hub/wire"
)

func followFlags(fs *flag.FlagSet, o *options) {
	fs.StringVar(&o.topic, "topic", "load", "`topic` to subscribe to; it needs a history, such as fanfare -topic 'load history=10000'")
	fs.Float64Var(&o.rate, "rate", 10, "`messages` per second to publish; 0 to follow what another fanfare-load follow publishes")
	o.forHowLong(fs)
}

// follow is a run whose clients speak fanfare.v1. They may lose their connections, at any node, and resume.
type follow struct {
	load      *load
	id        string // of the run, if it publishes
	followers []*follower
	published atomic.Int64

	opened  atomic.Int64 // connections, also those that replace another
	gaps    atomic.Int64
	ended   atomic.Int64 // followers that have had the last message
	last    atomic.Int64 // number of the last message, once it has come
	mu      sync.Mutex   // a leaf
	away    *hdrhistogram.Histogram
	silence *hdrhistogram.Histogram
}

// followReport is what a follow reports besides its messages.
type followReport struct {
	Reconnected int64 `json:"reconnected"` // connections that replaced another
	Gaps        int64 `json:"gaps"`        // of which the server told a client, which means that messages are missing
	// Away is how long clients had no connection, each time that they lost one.
	Away *latencyReport `json:"away_microseconds,omitempty"`
	// Silence is the longest time between two messages at each client.
	Silence *latencyReport `json:"silence_microseconds,omitempty"`
}

// runFollow runs the subcommand follow.
func runFollow(l *load, ctx context.Context) error {
	f := &follow{load: l, id: strconv.FormatUint(rand.Uint64(), 36), away: newHistogram(), silence: newHistogram()}
	defer f.close()
	if err := f.connect(ctx); err != nil {
		return err
	}
	m := l.measure()
	var err error
	if l.opt.rate > 0 {
		err = f.publish(ctx)
	} else {
		l.progress.note("%s subscribed; they follow what another fanfare-load publishes", plural(len(f.followers), "client"))
	}
	err = firstError(err, f.await(ctx))
	f.report(m)
	return err
}

// connect opens all clients, at the first URL.
func (f *follow) connect(ctx context.Context) error {
	l, o := f.load, f.load.opt
	began := time.Now()
	stop := l.progress.during("subscribing", int64(o.n), f.opened.Load)
	defer stop()
	f.followers = make([]*follower, o.n)
	var wg sync.WaitGroup
	for i := range f.followers {
		if err := l.conns.token(ctx); err != nil {
			break
		}
		x := &follower{run: f, expects: 1}
		f.followers[i] = x
		wg.Go(func() {
			defer func() { <-l.conns.tokens }()
			if err := x.begin(ctx, i); err != nil {
				l.conns.failed.Add(1)
				l.faults.addError(err)
			}
		})
	}
	wg.Wait()
	f.followers = slices.DeleteFunc(f.followers, func(x *follower) bool { return x == nil || x.client == nil })
	c := &l.report.Connections
	c.Wanted, c.Opened = o.n, int64(len(f.followers))
	c.PerSecond = float64(c.Opened) / time.Since(began).Seconds()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case len(f.followers) == 0:
		return errExplained
	}
	return nil
}

// note is the payload of a message.
type note struct {
	Run  string `json:"run"`
	N    int64  `json:"n"`    // 1 for the first message
	Sent int64  `json:"sent"` // microseconds since 1970
	Last bool   `json:"last,omitempty"`
}

// publish publishes messages at the rate, over a connection of its own, which may also be lost. Each is published once, but
// the messages that were in flight on a lost connection may be published after later ones, so each waits for the one before.
func (f *follow) publish(ctx context.Context) error {
	l, o := f.load, f.load.opt
	c, err := client.Dial(ctx, o.url, f.options(nil))
	if err != nil {
		return fmt.Errorf("the publisher: %w", err)
	}
	defer c.Close()
	stop := l.progress.clock("publishing", o.duration, l.received)
	defer stop()
	total, paced := o.total(), newSchedule(l.now(), o.rate)
	for n := int64(1); n <= total; n++ {
		if err := paced.wait(ctx, l.now, n-1); err != nil {
			return err
		}
		m := note{Run: f.id, N: n, Sent: time.Now().UnixMicro(), Last: n == total}
		if err := f.publishOne(ctx, c, m); err != nil {
			return fmt.Errorf("message %d was not published: %w", n, err)
		}
		f.published.Store(n)
	}
	return nil
}

// publishOne publishes until the server has confirmed it. The key has the message published once, at whichever node.
func (f *follow) publishOne(ctx context.Context, c *client.Client, m note) error {
	ctx, cancel := context.WithTimeout(ctx, client.RetryFor)
	defer cancel()
	o := &client.PublishOptions{Retry: true, IdempotencyKey: fmt.Sprintf("fanfare-load-%s-%d", m.Run, m.N)}
	for {
		_, err := c.Publish(ctx, f.load.opt.topic, m, o)
		var refused *protocol.Error
		if err == nil || !errors.As(err, &refused) || !refused.Temporary() {
			return err
		}
		if err := sleep(ctx, max(100*time.Millisecond, refused.RetryAfter())); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// await waits until all clients have the last message, or nobody has received anything for the time of -drain since the first.
func (f *follow) await(ctx context.Context) error {
	l := f.load
	stop := l.progress.during("waiting for the last message at each client", int64(len(f.followers)), f.ended.Load)
	defer stop()
	last, at := l.received(), time.Now()
	return waitFor(ctx, 5*time.Millisecond, func() bool {
		if n := l.received(); n != last || n == 0 && l.opt.rate == 0 {
			last, at = n, time.Now()
		}
		return f.ended.Load() == int64(len(f.followers)) || time.Since(at) > l.opt.drain || l.conns.engine.Err() != nil
	})
}

func (f *follow) close() {
	for _, x := range f.followers {
		if x != nil && x.client != nil {
			x.client.Close()
		}
	}
}

// report completes the report.
func (f *follow) report(m *measurement) {
	r, n := m.end(), int64(len(f.followers))
	r.Size = 0
	if r.Sent = max(f.published.Load(), f.last.Load()); r.Sent == 0 {
		f.load.faults.add("nothing was published", "run another fanfare-load follow with -rate, at the same topic of a node of the same cluster", 1, nil)
	}
	r.Expected = r.Sent * n
	r.Missing = max(0, r.Expected-r.Received)
	f.load.faults.add("messages missing", "the server holds too few messages of the topic for a client to resume, or has lost some", r.Missing, nil)
	f.load.faults.add("duplicated messages", "", r.Duplicated, nil)
	f.load.faults.add("messages out of order", "", r.Reordered, nil)
	f.load.faults.add("messages of unknown content", "somebody else publishes to the topic: use another -topic", r.Wrong, nil)
	f.load.report.Messages = r
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range f.followers {
		if s := x.silent.Load(); s > 0 {
			_ = f.silence.RecordValue(min(s, longest)) // the value is in range
		}
	}
	f.load.report.Follow = &followReport{
		Reconnected: f.opened.Load() - n, Gaps: f.gaps.Load(), Away: latencyOf(f.away), Silence: latencyOf(f.silence),
	}
}

func (r *followReport) table(t *table) {
	t.row("reconnected", "%s", comma(r.Reconnected))
	if r.Gaps > 0 {
		t.row("  told of a gap", "%s", comma(r.Gaps))
	}
	if r.Away != nil {
		r.Away.rows(t, "without a connection")
	}
	if r.Silence != nil {
		r.Silence.rows(t, "longest silence")
	}
}
