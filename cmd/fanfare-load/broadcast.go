package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// broadcastRun is what the subscribers and publishers of a broadcast share.
type broadcastRun struct {
	probes      uint64 // number of probes sent before the run
	load        *load
	wire        *wire
	op          wsproto.Opcode
	wrapped     bool // payloads may be anywhere within messages
	subscribers []*subscriber
	publishers  []*publisher
	stalled     []*stalledSubscriber
	begun       atomic.Bool
}

func newBroadcastRun(l *load) *broadcastRun {
	o := l.opt
	r := &broadcastRun{load: l, op: wsproto.Binary, wrapped: o.anywhere || len(o.hello) > 0}
	if o.text {
		r.op = wsproto.Text
	}
	r.wire = newWire(rand.Uint64(), o.size, o.publishers, o.text)
	for i := range o.publishers {
		r.publishers = append(r.publishers, &publisher{run: r, id: i, buf: make([]byte, o.size)})
	}
	return r
}

// runBroadcast runs the subcommand broadcast, and slow, which has stalled subscribers in addition.
func runBroadcast(l *load, ctx context.Context) error {
	r := newBroadcastRun(l)
	if err := r.connect(ctx); err != nil {
		return err
	}
	defer r.closeStalled()
	if err := l.weigh(stageConnected); err != nil {
		return err
	}
	if err := r.awaitSubscriptions(ctx); err != nil {
		return err
	}
	var err error
	for _, c := range l.opt.phases() {
		if err = r.follow(ctx, &c); err != nil {
			break
		}
	}
	err = firstError(err, l.weigh("at the end"))
	if err == nil && len(r.stalled) > 0 {
		err = r.examine(ctx)
	}
	return err
}

// connect opens subscribers, stalled subscribers and publishers.
func (r *broadcastRun) connect(ctx context.Context) error {
	l, o := r.load, r.load.opt
	stalling := o.stalled.of(o.n)
	if o.command != "slow" {
		stalling = 0
	}
	subs := make([]*subscriber, o.n-stalling)
	seqs := make([]sequence, len(subs)*o.publishers) // one allocation for all
	err := l.connect(ctx, "subscribers", l.target, len(subs), func(i int) wsproto.Handler {
		subs[i] = &subscriber{run: r, id: i, seqs: seqs[i*o.publishers:][:o.publishers:o.publishers]}
		return l.greeting(subs[i])
	})
	if err != nil {
		return err
	}
	for _, s := range subs {
		if s != nil && s.shard != nil {
			r.subscribers = append(r.subscribers, s)
		}
	}
	if err := r.stall(ctx, stalling); err != nil {
		return err
	}
	return r.connectPublishers(ctx)
}

func (r *broadcastRun) connectPublishers(ctx context.Context) error {
	l, o := r.load, r.load.opt
	before := l.conns.opened.Load()
	err := l.connect(ctx, "publishers", l.publish, o.publishers, func(i int) wsproto.Handler { return r.publishers[i] })
	if err != nil {
		return err
	}
	if opened := l.conns.opened.Load() - before; opened < int64(o.publishers) {
		return fmt.Errorf("only %s of %s connected", comma(opened), plural(o.publishers, "publisher"))
	}
	for _, p := range r.publishers {
		p.recount()
	}
	return nil
}

// share returns part i of n, divided as evenly as possible.
func share[T int | int64](n T, i, among int) T {
	part := n / T(among)
	if T(i) < n%T(among) {
		part++
	}
	return part
}

// awaitSubscriptions publishes probes until every subscriber has received the latest one, because a server may subscribe a
// client some time after the handshake.
func (r *broadcastRun) awaitSubscriptions(ctx context.Context) error {
	l := r.load
	stop := l.progress.during("waiting for the first message at each subscriber", int64(len(r.subscribers)), r.probed)
	defer stop()
	for n := uint64(1); n <= probes; n++ {
		r.publishers[0].probe(n)
		r.probes = n
		giveUp := time.Now().Add(l.opt.drain / 2)
		err := l.until(ctx, time.Millisecond, func() bool {
			return r.allProbed(n) || time.Now().After(giveUp)
		})
		if err != nil {
			return err
		}
		if r.allProbed(n) {
			r.begun.Store(true)
			return nil
		}
	}
	without := int64(len(r.subscribers)) - r.probed()
	l.faults.add("not subscribed", "check that the server sends a message from a publisher (-publish-url, by default the URL) to all other connections",
		without, func() string { return fmt.Sprintf("%d messages were published and did not reach it", probes) })
	if r.probed() == 0 {
		return errExplained
	}
	r.begun.Store(true)
	return nil
}

// probes is the largest number of probes.
const probes = 4

// probed returns the number of subscribers that have received the latest probe.
func (r *broadcastRun) probed() (n int64) {
	for _, s := range r.load.shards {
		s.mu.Lock()
		n += int64(s.broadcast.probed)
		s.mu.Unlock()
	}
	return n
}

func (r *broadcastRun) allProbed(n uint64) bool {
	for _, s := range r.load.shards {
		s.mu.Lock()
		all := s.broadcast.readers == 0 || s.broadcast.probe == n && s.broadcast.probed >= s.broadcast.readers
		s.mu.Unlock()
		if !all {
			return false
		}
	}
	return true
}
