package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// fleet is the connections of a run.
type fleet struct {
	client  *wsproto.Client
	engine  *netpoll.Engine
	sources []netip.Addr
	next    int // of sources
	faults  *faults
	tokens  chan struct{} // one for each handshake that may begin

	tried  int
	opened atomic.Int64 // ever
	failed atomic.Int64 // never open
	closed atomic.Int64 // after they were open
	lost   atomic.Int64 // of closed: before we wanted it
	streak atomic.Int64 // failures since the last success
	ending atomic.Bool  // from now on, closing is no fault
}

// newFleet starts an engine for connections with messages of size bytes, of which
// pipeline may be in flight on one.
func newFleet(opt *options, sources []netip.Addr, f *faults) (*fleet, error) {
	inFlight := max(1, opt.pipeline, opt.window) * (opt.size + 64)
	engine, err := netpoll.New(netpoll.Options{
		MaxPending: max(4<<20, 4*inFlight),
		Logger:     slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return nil, err
	}
	return &fleet{
		client: &wsproto.Client{
			Engine:           engine,
			Header:           http.Header(opt.header),
			MaxMessage:       max(1<<20, 2*opt.size),
			HandshakeTimeout: opt.timeout,
		},
		engine:  engine,
		sources: sources,
		faults:  f,
		tokens:  make(chan struct{}, opt.concurrency),
	}, nil
}

// open connects to t once for each of n handlers that member makes, with a bounded
// number of handshakes under way, and waits until the last is open or has failed.
// Handlers must call joined from OnOpen and left from OnClose. If connections do
// nothing but fail, the rest is not tried.
func (f *fleet) open(ctx context.Context, t wsproto.Target, n int, member func(i int) wsproto.Handler) error {
	giveUp := int64(max(100, cap(f.tokens)))
	tried, failed := 0, f.failed.Load()
	for i := 0; i < n && f.streak.Load() < giveUp; i++ {
		select {
		case f.tokens <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		case <-f.engine.Failed():
			return f.engine.Err()
		}
		f.tried, tried = f.tried+1, tried+1
		if err := f.client.Start(t, f.source(), member(i), f.refused); err != nil {
			f.refused(err)
		}
	}
	if err := f.await(ctx); err != nil {
		return err
	}
	if tried < n {
		f.faults.add("not tried", "", int64(n-tried), func() string {
			return fmt.Sprintf("after %s failures in a row the rest was not tried", comma(f.failed.Load()-failed))
		})
	}
	return nil
}

// await waits for the handshakes that are under way.
func (f *fleet) await(ctx context.Context) error {
	for held := 0; held < cap(f.tokens); held++ {
		select {
		case f.tokens <- struct{}{}:
			defer func() { <-f.tokens }()
		case <-ctx.Done():
			return ctx.Err()
		case <-f.engine.Failed():
			return f.engine.Err()
		}
	}
	return nil
}

func (f *fleet) source() netip.Addr {
	if len(f.sources) == 0 {
		return netip.Addr{}
	}
	f.next++
	return f.sources[f.next%len(f.sources)]
}

// refused is told why a connection did not come to be.
func (f *fleet) refused(err error) {
	if !f.ending.Load() {
		f.failed.Add(1)
		f.streak.Add(1)
		f.faults.addError(err)
	}
	<-f.tokens
}

// joined is told that a connection is open.
func (f *fleet) joined() {
	f.opened.Add(1)
	f.streak.Store(0)
	<-f.tokens
}

// left is told how a connection ended.
func (f *fleet) left(err *wsproto.CloseError) {
	f.closed.Add(1)
	if !f.ending.Load() {
		f.lost.Add(1)
		f.faults.addError(err)
	}
}

// alive returns the number of connections that are open.
func (f *fleet) alive() int64 { return f.opened.Load() - f.closed.Load() }

// end closes what is open, in order as far as the server takes part, and ends the
// engine.
func (f *fleet) end(close func()) error {
	f.ending.Store(true)
	close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for f.alive() > 0 {
		select {
		case <-ctx.Done():
		case <-f.engine.Failed():
			return f.engine.Err()
		case <-time.After(2 * time.Millisecond):
			continue
		}
		break
	}
	cancel()
	_ = f.engine.Shutdown(ctx)
	return nil
}
