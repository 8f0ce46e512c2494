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
	own     []*wsproto.Client // one for each line of -header-file
	nextOwn int               // counts uses of own
	engine  *netpoll.Engine
	sources []netip.Addr
	next    int // counts uses of sources
	faults  *faults
	tokens  chan struct{} // one for each handshake in progress
	rate    float64       // handshakes to start per second; 0: as fast as tokens allow

	opened     atomic.Int64 // all connections that were ever open
	compressed atomic.Int64 // those of opened for which the server agreed to -compress
	failed     atomic.Int64 // those that never opened
	closed     atomic.Int64 // those of opened that are closed
	lost       atomic.Int64 // those of closed that the server or a failure closed
	streak     atomic.Int64 // failures since the last success
	ending     atomic.Bool  // the end of a connection is not a fault any more

	mu    sync.Mutex
	conns []*wsproto.Conn // all that were ever open
}

// newConnections starts an engine whose connections have room for the messages in flight.
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

// open opens n connections to t with a bounded number of concurrent handshakes, and waits until each is open or has failed.
// handler returns the handler of connection i, which must call joined from OnOpen and left from OnClose. If too many
// connections fail in a row, open does not try the others.
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
			return fmt.Sprintf("after %s failures in a row the remaining connections were not tried", comma(f.failed.Load()-failed))
		})
	}
	return nil
}

// ramp returns a function that waits until handshake i may start.
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

// await waits for the handshakes in progress.
func (f *connections) await(ctx context.Context) error {
	for held := 0; held < cap(f.tokens); held++ {
		if err := f.token(ctx); err != nil {
			return err
		}
		defer func() { <-f.tokens }()
	}
	return nil
}

// token waits for a token.
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

// refused counts a connection that could not be opened.
func (f *connections) refused(err error) {
	if !f.ending.Load() {
		f.failed.Add(1)
		f.streak.Add(1)
		f.faults.addError(err)
	}
	<-f.tokens
}

// joined counts a connection that is open; r has the server's response.
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
	if ending { // end did not close this connection
		c.Close(wsproto.NormalClosure, "")
	}
}

// left counts the end of a connection.
func (f *connections) left(err *wsproto.CloseError) {
	f.closed.Add(1)
	if !f.ending.Load() {
		f.lost.Add(1)
		f.faults.addError(err)
	}
}

// giveUp ends the run. From now on the end of a connection is not a fault.
func (f *connections) giveUp() { f.ending.Store(true) }

// over reports whether the run was given up or is ending.
func (f *connections) over() bool { return f.ending.Load() }

// alive returns the number of open connections.
func (f *connections) alive() int64 { return f.opened.Load() - f.closed.Load() }

// end closes the connections and ends the engine. Unless abrupt is set it does closing handshakes.
func (f *connections) end(abrupt bool) {
	f.mu.Lock()
	f.ending.Store(true)
	conns := f.conns
	f.mu.Unlock()
	if abrupt {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = f.engine.Shutdown(ctx) // its error is that it did not wait
		return
	}
	for _, c := range conns {
		c.Close(wsproto.NormalClosure, "")
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	_ = waitFor(ctx, 2*time.Millisecond, func() bool { return f.alive() <= 0 || f.engine.Err() != nil })
	cancel()
	_ = f.engine.Shutdown(ctx) // its error is that some connections had to be closed
}

// endTimeout bounds the closing handshakes of all connections together.
const endTimeout = 10 * time.Second

// waitFor calls done at that interval until it returns true or ctx is done.
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
