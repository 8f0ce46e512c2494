//go:build linux

package netpoll

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	easygo "github.com/mailru/easygo/netpoll"
	"github.com/panjf2000/ants/v2"

	"github.com/fanfare-ws/fanfare/netpoll/internal/clock"
	"github.com/fanfare-ws/fanfare/netpoll/internal/memory"
	"github.com/fanfare-ws/fanfare/netpoll/internal/ready"
	"github.com/fanfare-ws/fanfare/netpoll/paced"
)

// Engine runs loops, workers and listeners. Its methods are safe for use from any
// goroutine.
type Engine struct {
	opts    Options
	loops   []*loop
	pool    *ants.Pool
	workers workers
	clock   clock.Clock
	monitor *monitor

	watchdog watchdog

	background background
	departures departures
	aio        aioContexts

	changes          sync.Mutex // held during SetLimits
	limits           atomic.Pointer[Limits]
	admission        admission
	fullAddrs        paced.Log // addresses that have as many connections as they may
	noPreambles      paced.Log // proxies whose connections have no valid preamble
	budget           budget
	accepted         atomic.Int64
	next             atomic.Uint32 // round robin over loops
	serverHandshakes tlsHandshakes
	clientHandshakes tlsHandshakes

	mu        sync.Mutex
	listeners map[closer]struct{}
	closing   bool // no further listeners
	err       error
	failed    chan struct{} // closed when a loop died
	end       sync.Once
	ended     chan struct{}
}

// preHandler is a Handler of the engine's own, of a connection that the program does not have yet.
type preHandler interface {
	Handler
	abandon() // in place of OnClose, if the connection cannot enter
}

// closer is a [Listener].
type closer interface{ Close() }

// loop is one epoll instance with its share of the connections.
type loop struct {
	engine          *Engine
	id              int
	poll            *easygo.Epoll
	drain           func() // the pool's task, made once
	ready           ready.Queue[turner]
	table           table
	deadlines       deadlines
	largeReaders    largeReaders
	heavy           heavy
	events, yielded uint32 // see keepPace
	lag             lag

	counters
}

// counters are what a loop has done so far; see Stats.
type counters struct {
	bytesIn, bytesOut       atomic.Int64
	messagesIn, messagesOut atomic.Int64
	queued                  atomic.Int64
	held                    atomic.Int64 // see budget
}

// turner is an item of a ready queue: a connection or a [Task].
type turner interface {
	turn(w *worker)
}

// monitor is the engine's only timer. While there is work it looks at the ready
// queues every stallAfter; otherwise it sleeps until the next sweep.
type monitor struct {
	engine *Engine
	armed  atomic.Bool
	wake   chan struct{}
	stop   chan struct{}
	done   chan struct{}
	last   []ready.Progress
	// unprobed is the number of looks since probe.
	unprobed int
	blocked  []*blockage // turns and tasks that watchdog has reported, and that go on
	buf      chunk
	memory   memory.Scavenger
	slowAt   uint32 // when sweepSlow is due
	sweeps   int    // see sweeping
	sweptAt  clock.Tick
}

func newMonitor(e *Engine) *monitor {
	return &monitor{
		engine: e,
		wake:   make(chan struct{}, 1),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
		last:   make([]ready.Progress, e.opts.Loops),
		memory: memory.Scavenger{Free: memory.Free},
	}
}

// arm makes the monitor look soon. It is cheap if the monitor is armed already.
func (m *monitor) arm() {
	if !m.armed.Load() && m.armed.CompareAndSwap(false, true) {
		select {
		case m.wake <- struct{}{}:
		default: // the monitor is about to wake anyway
		}
	}
}

// Loops returns the number of loops.
func (e *Engine) Loops() int { return len(e.loops) }

// Options returns the options in force, defaults filled in.
func (e *Engine) Options() Options { return e.opts }

// Failed returns a channel that is closed if a loop died; Err then says why. The
// engine cannot be used any more.
func (e *Engine) Failed() <-chan struct{} { return e.failed }

// Err returns why the engine failed, or nil.
func (e *Engine) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

func (e *Engine) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.err = fmt.Errorf("netpoll: epoll wait: %w", err)
		close(e.failed)
	}
}

func (e *Engine) panicked(v any) {
	e.opts.Logger.Error("handler panicked", "panic", v, "stack", string(debug.Stack()))
}

// protect calls f and logs its panic, if there is one.
func (e *Engine) protect(f func()) {
	defer func() {
		if v := recover(); v != nil {
			e.panicked(v)
		}
	}()
	f()
}

func (e *Engine) tellClosed(h Handler, err error) {
	defer func() {
		if v := recover(); v != nil {
			e.panicked(v)
		}
	}()
	h.OnClose(err)
}

// Each calls f for every connection that is open in the engine throughout the call. A
// connection whose TLS handshake is under way is not open yet.
func (e *Engine) Each(f func(Handler)) {
	e.each(func(h Handler) {
		if _, before := h.(preHandler); !before {
			f(h)
		}
	})
}

func (e *Engine) each(f func(Handler)) {
	var buf chunk
	for _, l := range e.loops {
		l.table.each(&buf, func(c *Conn) { f(c.handler) })
	}
}

// held returns the bytes that all connections hold.
func (e *Engine) held() int64 {
	n := orphans.Load()
	for _, l := range e.loops {
		n += l.held.Load()
	}
	return n
}

// use is what the monitor's scavenger looks at.
func (e *Engine) use() memory.Use {
	return memory.Use{Held: e.held(), Open: e.admission.open.Load(), Entered: e.next.Load()}
}

// Full reports whether more connections are open, including detached ones, than
// Options.MaxConns: those of Options.Reserve. A protocol then should answer short requests,
// refuse long-lived connections, and close idle ones.
func (e *Engine) Full() bool {
	a := &e.admission
	limit := a.limit.Load()
	return limit > 0 && a.taken.Load() > limit
}
