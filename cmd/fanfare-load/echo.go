package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// echoRun is what the connections of an echo run share.
type echoRun struct {
	load    *load
	id      uint64 // a random number, so that other runs have other payloads
	op      wsproto.Opcode
	size    int
	echoers []*echoer // the open connections
	echoed  int       // number of echoers with which echoOnce is done
	buffers sync.Pool // for payloads
	doubts  doubts
	steady  *schedule // with -rate; message k of echoer i is number k*len(echoers)+i
}

func newEchoRun(l *load) *echoRun {
	r := &echoRun{load: l, id: rand.Uint64(), op: wsproto.Binary, size: l.opt.size}
	if l.opt.text {
		r.op = wsproto.Text
	}
	r.buffers.New = func() any {
		b := make([]byte, r.size)
		return &b
	}
	return r
}

// connect opens n more connections.
func (r *echoRun) connect(ctx context.Context, n int) error {
	pipeline := max(1, r.load.opt.pipeline)
	all := make([]*echoer, n)
	err := r.load.connect(ctx, "connections", r.load.target, len(all), func(i int) wsproto.Handler {
		all[i] = &echoer{run: r, id: i, times: make([]int64, pipeline)}
		return r.load.greeting(all[i])
	})
	if err != nil {
		return err
	}
	for _, e := range all {
		if e != nil && e.conn != nil {
			e.id = len(r.echoers)
			r.echoers = append(r.echoers, e)
		}
	}
	return r.load.weigh(stageConnected)
}

// dueAt returns the time from which the latency of e's next message counts.
func (r *echoRun) dueAt(e *echoer, now int64) int64 {
	if r.steady == nil {
		return now
	}
	return r.steady.due(int64(e.sent)*int64(len(r.echoers)) + int64(e.id))
}

func runEcho(l *load, ctx context.Context) error {
	r := newEchoRun(l)
	if err := r.connect(ctx, l.opt.n); err != nil {
		return err
	}
	m := l.measure()
	var err error
	if l.opt.rate > 0 {
		err = r.openLoop(ctx)
	} else {
		err = r.closedLoop(ctx)
	}
	got := m.end()
	l.report.add(got, "")
	r.count(ctx, r.echoers, got)
	return firstError(err, r.doubts.end(), l.weigh("at the end"))
}

// closedLoop sends the next message for each echo.
func (r *echoRun) closedLoop(ctx context.Context) error {
	l := r.load
	if count := l.opt.count; count > 0 {
		for i, e := range r.echoers {
			r.begin(e, uint64(share(count, i, len(r.echoers))))
		}
		stop := l.progress.during("echoing", count, l.received)
		defer stop()
		return l.settle(ctx, func() bool { return l.received() >= count })
	}
	for _, e := range r.echoers {
		r.begin(e, unlimited)
	}
	err := l.pause(ctx, "echoing", l.opt.duration)
	for _, e := range r.echoers {
		e.stop()
	}
	return firstError(err, l.settle(ctx, func() bool { return answered(r.echoers) }))
}

// begin lets a connection send n messages. With -think, connections do not begin all at once.
func (r *echoRun) begin(e *echoer, n uint64) {
	if think := r.load.opt.think; think > 0 {
		e.allowAfter(think*time.Duration(e.id)/time.Duration(len(r.echoers)), n)
		return
	}
	e.allow(n)
}

// unlimited is the number of messages that a connection may send until stop.
const unlimited = 1 << 62

// openLoop sends at a steady rate, whether or not echoes arrive.
func (r *echoRun) openLoop(ctx context.Context) error {
	l := r.load
	total := l.opt.total()
	steady := newSchedule(l.now(), l.opt.rate)
	r.steady = &steady
	stop := l.progress.during("echoing", total, l.received)
	defer stop()
	err := l.pace(ctx, steady, total, func(i, _ int64) {
		r.echoers[i%int64(len(r.echoers))].allow(1)
	})
	return firstError(err, l.settle(ctx, func() bool { return answered(r.echoers) }))
}

// answered reports whether all messages that are due were echoed.
func answered(those []*echoer) bool {
	for _, e := range those {
		e.mu.Lock()
		open := e.sent < e.due || e.seq.next < e.sent
		e.mu.Unlock()
		if open {
			return false
		}
	}
	return true
}

// count adds to m how many messages these connections have sent, and how many are missing.
func (r *echoRun) count(ctx context.Context, those []*echoer, m *messagesReport) {
	due := int64(0)
	for _, e := range those {
		e.mu.Lock()
		if e.due >= unlimited || ctx.Err() != nil || r.doubts.over.Load() { // messages that were not sent never will be
			e.due = e.sent
		}
		due += int64(e.due)
		e.mu.Unlock()
	}
	m.Sent, m.Expected = due, due
	if ctx.Err() != nil {
		m.Expected = m.Received + m.instead // messages in flight are not lost
	}
	r.settleDoubts(m)
	if r.doubts.over.Load() {
		return // the run did not wait for messages in flight
	}
	m.Missing = max(0, m.Expected-m.Received-m.instead)
	hint := "the server dropped messages, or was too slow; see also -drain"
	if m.Received == 0 {
		hint = "no echo arrived: check that this path echoes; see also -drain"
	}
	r.load.faults.add("not echoed", hint, m.Missing, nil)
}
