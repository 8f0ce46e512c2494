package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// connections are the connections of a run.
type connections struct {
	client  *wsproto.Client
	own     []*wsproto.Client // of connections with a field of their own: -header-file
	nextOwn int               // of own
	engine  *netpoll.Engine
	sources []netip.Addr
	next    int // of sources
	faults  *faults
	tokens  chan struct{} // one for each handshake that may begin
	rate    float64       // handshakes that begin per second; 0: as tokens let

	opened     atomic.Int64 // ever
	compressed atomic.Int64 // of opened: the server agreed to -compress
	failed     atomic.Int64 // never open
	closed     atomic.Int64 // after they were open
	lost       atomic.Int64 // of closed: before we wanted it
	streak     atomic.Int64 // failures since the last success
	ending     atomic.Bool  // from now on, closing is no fault

	mu    sync.Mutex
	conns []*wsproto.Conn // all that ever opened
}

// newConnections starts an engine for connections with messages of size bytes, of which
// pipeline may be in flight on one.
func newConnections(opt *options, sources []netip.Addr, all *faults) (*connections, error) {
	inFlight := max(1, opt.pipeline, opt.largestWindow()) * (opt.size + 64)
	engine, err := netpoll.New(netpoll.Options{
		MaxPending: max(4<<20, 4*inFlight),
		TLSTimeout: opt.timeout,
		Logger:     slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return nil, err
	}
	var compression *wsproto.Compression
	if opt.compress {
		compression = new(wsproto.Compression)
	}
	f := &connections{engine: engine, sources: sources, faults: all, tokens: make(chan struct{}, opt.concurrency)}
	if opt.ramp > 0 {
		f.rate = float64(opt.n) / opt.ramp.Seconds()
	}
	client := func(header http.Header) *wsproto.Client {
		return &wsproto.Client{
			Compression:      compression,
			Engine:           engine,
			Header:           header,
			MaxMessage:       max(1<<20, 2*opt.size),
			HandshakeTimeout: opt.timeout,
			TLSConfig:        opt.tlsConfig(),
		}
	}
	f.client = client(http.Header(opt.header))
	for _, own := range opt.headerLines {
		f.own = append(f.own, client(own.with(opt.header)))
	}
	return f, nil
}

// nextClient returns the client for the next connection.
func (f *connections) nextClient() *wsproto.Client {
	if len(f.own) == 0 {
		return f.client
	}
	f.nextOwn++
	return f.own[(f.nextOwn-1)%len(f.own)]
}

// open connects to t once for each of n handlers that handler makes, with a bounded
// number of handshakes under way, and waits until the last is open or has failed.
// Handlers must call joined from OnOpen and left from OnClose. If connections do
// nothing but fail, the rest is not tried.
func (f *connections) open(ctx context.Context, t wsproto.Target, n int, handler func(i int) wsproto.Handler) error {
	giveUp := int64(max(100, cap(f.tokens)))
	tried, failed := 0, f.failed.Load()
	begin := f.ramp()
	for i := 0; i < n && f.streak.Load() < giveUp; i++ {
		if err := firstError(begin(ctx, i), f.token(ctx)); err != nil {
			return err
		}
		tried++
		if err := f.nextClient().Start(t, f.source(), handler(i), f.refused); err != nil {
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

// ramp returns what waits until handshake i may begin.
func (f *connections) ramp() func(ctx context.Context, i int) error {
	if f.rate == 0 {
		return func(context.Context, int) error { return nil }
	}
	began := time.Now()
	s := newSchedule(0, f.rate)
	return func(ctx context.Context, i int) error {
		return s.wait(ctx, func() int64 { return int64(time.Since(began)) }, int64(i))
	}
}

// await waits for the handshakes that are under way.
func (f *connections) await(ctx context.Context) error {
	for held := 0; held < cap(f.tokens); held++ {
		if err := f.token(ctx); err != nil {
			return err
		}
		defer func() { <-f.tokens }()
	}
	return nil
}

// token takes one when there is one.
func (f *connections) token(ctx context.Context) error {
	select {
	case f.tokens <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-f.engine.Failed():
		return f.engine.Err()
	}
}

func (f *connections) source() netip.Addr {
	if len(f.sources) == 0 {
		return netip.Addr{}
	}
	f.next++
	return f.sources[f.next%len(f.sources)]
}

// refused is told why a connection did not come to be.
func (f *connections) refused(err error) {
	if !f.ending.Load() {
		f.failed.Add(1)
		f.streak.Add(1)
		f.faults.addError(err)
	}
	<-f.tokens
}

// joined is told that a connection is open, and the server's answer.
func (f *connections) joined(c *wsproto.Conn, r *wsproto.Request) {
	if r.ResponseHeader.Get("Sec-WebSocket-Extensions") != "" {
		f.compressed.Add(1)
	}
	f.mu.Lock()
	f.conns = append(f.conns, c)
	ending := f.ending.Load()
	f.mu.Unlock()
	f.opened.Add(1)
	f.streak.Store(0)
	<-f.tokens
	if ending { // end has not seen it
		c.Close(wsproto.NormalClosure, "")
	}
}

// left is told how a connection ended.
func (f *connections) left(err *wsproto.CloseError) {
	f.closed.Add(1)
	if !f.ending.Load() {
		f.lost.Add(1)
		f.faults.addError(err)
	}
}

// giveUp says that the run is over: from now on no ending is a fault.
func (f *connections) giveUp() { f.ending.Store(true) }

// over reports whether the run was given up, or ends.
func (f *connections) over() bool { return f.ending.Load() }

// alive returns the number of connections that are open.
func (f *connections) alive() int64 { return f.opened.Load() - f.closed.Load() }

// end closes what is open, in order as far as the server takes part unless it is to be
// abrupt, and ends the engine.
func (f *connections) end(abrupt bool) {
	f.mu.Lock()
	f.ending.Store(true)
	conns := f.conns
	f.mu.Unlock()
	if abrupt {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = f.engine.Shutdown(ctx) // its error says that it did not wait
		return
	}
	for _, c := range conns {
		c.Close(wsproto.NormalClosure, "")
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	_ = waitFor(ctx, 2*time.Millisecond, func() bool { return f.alive() <= 0 || f.engine.Err() != nil })
	cancel()
	_ = f.engine.Shutdown(ctx) // its error says that some had to be closed
}

// endTimeout bounds the closing handshakes of all connections together.
const endTimeout = 10 * time.Second

// waitFor asks done every so often until it says so; or it returns ctx's error.
func waitFor(ctx context.Context, every time.Duration, done func() bool) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
