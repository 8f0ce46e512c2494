//go:build linux

package netpoll

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/panjf2000/ants/v2"

	"github.com/fanfare-ws/fanfare/netpoll/internal/sys"
)

// New starts an engine. End it with Shutdown.
func New(opts Options) (*Engine, error) {
	e, err := build(opts)
	if err != nil {
		return nil, err
	}
	go e.monitor.run()
	return e, nil
}

// build returns an engine whose monitor does not run yet.
func build(opts Options) (*Engine, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	e := &Engine{
		opts:      opts,
		listeners: make(map[closer]struct{}),
		failed:    make(chan struct{}),
		ended:     make(chan struct{}),
	}
	e.clock.Begin(opts.Now)
	e.workers = workers{keep: 2 * opts.Loops, size: opts.ReadBuffer, out: min(opts.ReadBuffer, opts.MaxPending)}
	pool, err := ants.NewPool(opts.Workers, ants.WithNonblocking(true))
	if err != nil {
		return nil, fmt.Errorf("netpoll: worker pool: %w", err)
	}
	e.pool = pool
	e.admission.init(opts)
	e.serverHandshakes.init(true, e.clock.Now)
	e.clientHandshakes.init(false, e.clock.Now)
	e.applyLimits(opts)
	e.background.most = opts.Background
	e.background.users = make(map[netip.Addr]*user)
	e.background.protect = e.protect
	e.aio.log = opts.Logger
	e.aio.most = 2 * opts.Loops
	e.monitor = newMonitor(e)
	for i := range opts.Loops {
		l := &loop{engine: e, id: i}
		l.drain = l.drainReady
		l.heavy.init()
		l.ready.Slack, l.ready.Now = make(chan struct{}, 1), e.clock.Elapsed
		l.poll, err = sys.NewEpoll(e.fail)
		if err != nil {
			e.closePolls()
			e.pool.Release()
			return nil, fmt.Errorf("netpoll: epoll: %w", err)
		}
		e.loops = append(e.loops, l)
		if err := l.watchLag(); err != nil {
			e.closePolls()
			e.pool.Release()
			return nil, err
		}
	}
	return e, nil
}

// StopListening closes the listeners; connections stay open.
func (e *Engine) StopListening() {
	e.mu.Lock()
	all := make([]closer, 0, len(e.listeners))
	for l := range e.listeners {
		all = append(all, l)
	}
	e.mu.Unlock()
	for _, l := range all {
		l.Close()
	}
}

// Shutdown stops listening and ends TLS handshakes under way. It waits until every
// connection has closed and every function of Go has returned, or ctx is done. Then it closes
// the remaining connections with ErrShutdown and ends all goroutines of the engine.
// It returns ctx's error if connections had to be closed. Handlers that still
// block two seconds later are left behind, and the error says how many. Shutdown
// must not be called from a Handler or a function of Go.
func (e *Engine) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	e.closing = true
	e.mu.Unlock()
	e.StopListening()
	for _, l := range e.loops {
		l.table.close()
	}
	e.endHandshakes()
	err := e.waitClosed(ctx)
	e.end.Do(func() {
		e.each(func(h Handler) { h.Conn().Close(ErrShutdown) })
		grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if e.waitClosed(grace) != nil {
			err = fmt.Errorf("netpoll: %d connections and %d background functions are left behind, because they still block: %w",
				e.admission.open.Load(), e.background.count(), err)
		}
		close(e.monitor.stop)
		<-e.monitor.done
		e.closePolls()
		if stuck := e.pool.ReleaseContext(grace); stuck != nil && err == nil {
			err = fmt.Errorf("netpoll: a task or an OnClose still blocks: %w", stuck)
		}
		e.aio.end()
		close(e.ended)
	})
	<-e.ended
	return err
}

// waitClosed polls the number of open connections. This happens once, at the end of a
// process's life, so it is not worth a notification at every close.
func (e *Engine) waitClosed(ctx context.Context) error {
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for e.admission.open.Load() > 0 || e.background.count() > 0 || e.serverHandshakes.busy() || e.clientHandshakes.busy() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-e.failed:
			return e.Err()
		case <-poll.C:
		}
	}
	return nil
}

func (e *Engine) closePolls() {
	for _, l := range e.loops {
		l.ready.End() // else a held loop would not notice
		_ = l.poll.Close()
		l.lag.event.Close()
		l.largeReaders.close()
	}
}

// endHandshakes closes the connections that have not finished their handshakes.
func (e *Engine) endHandshakes() {
	e.serverHandshakes.end()
	e.clientHandshakes.end()
	e.each(func(h Handler) {
		if g, before := h.(preHandler); before {
			g.Conn().Close(ErrShutdown)
		}
	})
}
