package backend

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// endpoint does the calls of one hook.
//
// A call is made by a client; a flight is a request to the backend, for which one or several calls wait. A flight is in
// the queue, or running, or finished. flights has the unfinished ones that further calls may join.
//
// mu guards all fields below it, and those of flights, calls and the queue. Functions with the suffix Locked return the
// results to deliver, because callbacks run without the lock.
type endpoint struct {
	hook   Hook
	opts   *Options
	own    *HookOptions
	client *http.Client
	ctx    context.Context // of all requests
	keeps  atomic.Bool     // the cache may have answers, or flights may be shared
	wg     sync.WaitGroup  // calls until after their callbacks, and running flights

	mu      sync.Mutex
	closed  bool
	flights map[digest]*flight
	queue   queue
	running int // flights
	calls   int
	bytes   int             // of the bodies of flights
	shares  map[owner]share // of calls and bytes; owners without any have none
	breaker breaker
	cache   cache
	stats   HookStats
	notes   notes
}

type share struct{ calls, bytes int }

type digest [sha256.Size]byte

// flight is a request to the backend.
type flight struct {
	key      digest
	owner    owner // of the first call
	body     []byte
	deadline time.Time
	calls    []*call
	shared   bool // it is in endpoint.flights until it is finished
	finished bool
	timer    *time.Timer        // ends the flight while it is in the queue
	cancel   context.CancelFunc // set while it is running
	place    place              // while it is in the queue
}

// call is a call that waits for a flight.
type call struct {
	owner  owner
	done   Done
	flight *flight // nil before and after
	at     int     // in flight.calls
	stop   func() bool
}

// result is what a callback is to receive.
type result struct {
	call   *call
	answer Answer
	err    error
}

func newEndpoint(ctx context.Context, h Hook, o *Options, own *HookOptions) *endpoint {
	e := &endpoint{
		hook: h, opts: o, own: own, ctx: ctx,
		client:  &http.Client{Transport: o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		flights: make(map[digest]*flight), shares: make(map[owner]share),
		breaker: breaker{opts: o.Breaker}, cache: newCache(o.CacheBytes), queue: newQueue(),
	}
	e.keeps.Store(own.Cache > 0)
	return e
}

func (e *endpoint) call(ctx context.Context, r *Request, done Done) {
	body, err := r.encode(e.opts.Headers, e.own.Omit)
	if err != nil {
		done(Answer{}, err)
		return
	}
	var key digest
	if e.keeps.Load() {
		key = sha256.Sum256(body)
	}
	c := &call{owner: r.owner(), done: done}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		done(Answer{}, ErrClosed)
		return
	}
	e.wg.Add(1)
	results := e.admitLocked(c, key, body)
	if c.flight != nil && ctx.Done() != nil {
		c.stop = context.AfterFunc(ctx, func() { e.abandon(c, context.Cause(ctx)) })
	}
	e.mu.Unlock()
	e.deliver(results)
}

// deliver runs callbacks.
func (e *endpoint) deliver(results []result) {
	for _, r := range results {
		r.call.done(r.answer, r.err)
		e.wg.Done()
	}
}

// admitLocked makes the call wait for a flight, or returns its result.
func (e *endpoint) admitLocked(c *call, key digest, body []byte) []result {
	now := time.Now()
	if kept, ok := e.cache.get(key, now); ok {
		e.stats.Cached++
		return e.resultLocked(nil, c, kept.answer, kept.err())
	}
	if left, refuses := e.breaker.refuses(now); refuses {
		answer, err := e.fallback(left)
		return e.resultLocked(nil, c, answer, err)
	}
	if e.shares[c.owner].calls >= quarters(e.opts.MaxWaiting) {
		return e.resultLocked(nil, c, Answer{}, e.busy())
	}
	if f := e.flights[key]; f != nil && e.calls < e.opts.MaxWaiting {
		e.stats.Joined++
		e.joinLocked(f, c)
		return nil
	}
	return e.startLocked(c, key, body, now)
}

// quarters returns three quarters of a limit, for one owner.
func quarters(n int) int { return max(1, n/4*3+n%4*3/4) }

// startLocked starts a flight for the call, if there is room.
func (e *endpoint) startLocked(c *call, key digest, body []byte, now time.Time) (results []result) {
	if e.bytes+len(body) > e.opts.MaxWaitingBytes || e.shares[c.owner].bytes+len(body) > quarters(e.opts.MaxWaitingBytes) {
		return e.resultLocked(nil, c, Answer{}, e.busy())
	}
	if e.calls >= e.opts.MaxWaiting {
		shed := e.queue.heavier(c.owner)
		if shed == nil {
			return e.resultLocked(nil, c, Answer{}, e.busy())
		}
		e.queue.remove(shed)
		results = e.finishLocked(shed, Answer{}, e.busy())
	}
	f := &flight{key: key, owner: c.owner, body: body, deadline: now.Add(e.own.Timeout), shared: e.own.Cache > 0}
	if f.shared {
		e.flights[key] = f
	}
	e.holdLocked(f.owner, 0, len(body))
	e.joinLocked(f, c)
	e.queue.push(f)
	f.timer = time.AfterFunc(e.own.Timeout, func() { e.expire(f) })
	e.runLocked()
	return results
}

func (e *endpoint) joinLocked(f *flight, c *call) {
	c.flight, c.at = f, len(f.calls)
	f.calls = append(f.calls, c)
	e.holdLocked(c.owner, 1, 0)
}

// holdLocked adds to what is held, in total and by an owner.
func (e *endpoint) holdLocked(o owner, calls, bytes int) {
	e.calls, e.bytes = e.calls+calls, e.bytes+bytes
	s := e.shares[o]
	s.calls, s.bytes = s.calls+calls, s.bytes+bytes
	if s == (share{}) {
		delete(e.shares, o)
		return
	}
	e.shares[o] = s
}

// resultLocked adds the result of a call, which waits no longer.
func (e *endpoint) resultLocked(to []result, c *call, a Answer, err error) []result {
	if c.flight != nil {
		c.flight = nil
		e.holdLocked(c.owner, -1, 0)
		if c.stop != nil {
			c.stop()
		}
	}
	e.stats.count(a, err)
	return append(to, result{c, a, err})
}

// finishLocked ends a flight, which the caller has taken from the queue, with one result for all of its calls.
func (e *endpoint) finishLocked(f *flight, a Answer, err error) (results []result) {
	if f.finished {
		return nil
	}
	f.finished = true
	f.timer.Stop()
	e.holdLocked(f.owner, 0, -len(f.body))
	if f.shared {
		delete(e.flights, f.key)
	}
	for _, c := range f.calls {
		results = e.resultLocked(results, c, a, err)
	}
	f.calls = nil
	return results
}

// expire ends a flight that has waited in the queue for too long.
func (e *endpoint) expire(f *flight) {
	e.mu.Lock()
	var results []result
	if e.queue.remove(f) {
		results = e.finishLocked(f, Answer{}, e.busy())
	}
	e.mu.Unlock()
	e.deliver(results)
}

// abandon ends a call whose client has gone, and its flight if no other call waits for that.
func (e *endpoint) abandon(c *call, cause error) {
	e.mu.Lock()
	f := c.flight
	if f == nil {
		e.mu.Unlock()
		return
	}
	last := len(f.calls) - 1
	f.calls[c.at] = f.calls[last]
	f.calls[c.at].at = c.at
	f.calls[last] = nil
	f.calls = f.calls[:last]
	results := e.resultLocked(nil, c, Answer{}, cause)
	if len(f.calls) == 0 {
		e.dropLocked(f)
	}
	e.mu.Unlock()
	e.deliver(results)
}

func (e *endpoint) dropLocked(f *flight) {
	e.finishLocked(f, Answer{}, nil)
	if f.cancel != nil {
		f.cancel()
	} else {
		e.queue.remove(f)
	}
}

// busy returns the error for a call that there is no room or time for.
func (e *endpoint) busy() error { return &Error{e.hook, retryBusy, ErrBusy} }

// fallback returns the result of a call that the backend does not answer.
func (e *endpoint) fallback(retry time.Duration) (Answer, error) {
	if f := &e.own.Fallback; f.Allow {
		return Answer{Rights: f.Rights, Fallback: true, Expires: time.Now().Add(e.own.MaxFallback)}, nil
	}
	return Answer{}, &Error{e.hook, retryAfter(retry), ErrDown}
}

func (e *endpoint) refuseFurther() {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
}

func (e *endpoint) wait() {
	if e != nil {
		e.wg.Wait()
	}
}

// failAll ends the flights in the queue.
func (e *endpoint) failAll(why error) {
	if e == nil {
		return
	}
	var results []result
	e.mu.Lock()
	for f := e.queue.pop(); f != nil; f = e.queue.pop() {
		results = append(results, e.finishLocked(f, Answer{}, why)...)
	}
	e.mu.Unlock()
	e.deliver(results)
}

// err returns the error of a call that gets the reply.
func (r *reply) err() error {
	if r.refusal != nil {
		return r.refusal
	}
	return nil
}

// count counts the result of a call.
func (s *HookStats) count(a Answer, err error) {
	var refusal *Refusal
	switch {
	case err == nil && a.Fallback:
		s.FellBack++
	case err == nil:
		s.Granted++
	case errors.As(err, &refusal):
		s.Refused++
	case errors.Is(err, ErrBusy):
		s.Busy++
	case errors.Is(err, ErrDown):
		s.Failed++
	default:
		s.Cancelled++
	}
}
