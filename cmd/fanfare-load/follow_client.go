package main

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/hub/client"
	protocol "github.com/fanfare-ws/fanfare/hub/wire"
)

// follower is a client of follow. Its callbacks are called one at a time.
type follower struct {
	run    *follow
	client *client.Client // once it has subscribed
	shard  *shard
	begun  atomic.Bool

	away    int64  // when the connection was lost; 0 while there is one
	expects int64  // number of the next message
	of      string // the run that it follows: that of the first message
	heard   int64  // when the last message came
	silent  atomic.Int64
}

// options returns the options of a client, or of the publisher if there is none.
func (f *follow) options(x *follower) *client.Options {
	o := f.load.opt
	opts := &client.Options{
		Engine: f.load.conns.engine, Timeout: o.timeout, MaxDelay: time.Second, Header: http.Header(o.header), TLSConfig: o.tlsConfig(),
		Others: o.urls[1:],
	}
	if x != nil {
		opts.OnOpen, opts.OnClose = x.opened, x.closed
	}
	return opts
}

// begin connects and subscribes.
func (x *follower) begin(ctx context.Context, i int) error {
	f := x.run
	x.shard = f.load.shards[i%len(f.load.shards)]
	c, err := client.Dial(ctx, f.load.opt.url, f.options(x))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.load.opt.timeout)
	defer cancel()
	o := &client.SubscribeOptions{OnGap: func(client.Gap) { f.gaps.Add(1) }, OnEnd: x.failed}
	if _, err := c.Subscribe(ctx, f.load.opt.topic, o, x.message); err != nil {
		c.Close()
		return err
	}
	x.client = c
	x.begun.Store(true)
	return nil
}

func (x *follower) opened(protocol.Hello) {
	f := x.run
	f.opened.Add(1)
	if x.away > 0 {
		f.mu.Lock()
		_ = f.away.RecordValue(min(f.load.now()-x.away, longest)) // the value is in range
		f.mu.Unlock()
	}
	x.away = 0
}

// closed is called for each attempt too.
func (x *follower) closed(err error, retry time.Duration) {
	if x.away == 0 {
		x.away = x.run.load.now()
	}
	if retry < 0 {
		x.failed(err)
	}
}

// failed is called when the client or its subscription has ended for good.
func (x *follower) failed(err error) {
	if x.begun.Load() && !errors.Is(err, client.ErrClosed) { // else begin reports it, or the run is over
		x.run.load.faults.addError(err)
	}
}

func (x *follower) message(m client.Message) {
	var n note
	now := x.run.load.now()
	err := m.Decode(&n)
	x.shard.mu.Lock()
	defer x.shard.mu.Unlock()
	if x.of == "" {
		x.of = n.Run
	}
	switch {
	case err != nil || n.Run != x.of || n.N < 1:
		x.shard.wrong++
		return
	case n.N < x.expects:
		x.shard.duplicated++
		return
	}
	x.expects = n.N + 1 // those between are missing, unless they come later, as duplicates
	x.shard.recordLocked(now-(time.Now().UnixMicro()-n.Sent)*int64(time.Microsecond), now)
	if x.heard > 0 {
		x.silent.Store(max(x.silent.Load(), now-x.heard))
	}
	if x.heard = now; n.Last {
		x.run.last.Store(n.N)
		x.run.ended.Add(1)
	}
}
