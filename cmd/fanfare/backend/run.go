package backend

import (
	"context"
	"crypto/sha256"
	"time"
)

// runLocked starts flights from the queue.
func (e *endpoint) runLocked() {
	for e.running < e.opts.MaxConcurrent {
		f := e.queue.pop()
		if f == nil {
			return
		}
		e.running++
		f.timer.Stop()
		ctx, cancel := context.WithDeadline(e.ctx, f.deadline)
		f.cancel = cancel
		e.wg.Add(1)
		go e.run(ctx, f)
	}
}

// run sends the request of a flight, unless the breaker has opened meanwhile.
func (e *endpoint) run(ctx context.Context, f *flight) {
	defer e.wg.Done()
	defer f.cancel()
	e.mu.Lock()
	probe, ok := e.breaker.begin(time.Now())
	e.mu.Unlock()
	sent := response{skipped: true}
	if ok {
		sent = e.post(ctx, f.body)
	}
	e.mu.Lock()
	e.running--
	log := e.learnLocked(&sent, probe)
	results := e.landLocked(f, &sent)
	e.runLocked()
	e.mu.Unlock()
	log()
	e.deliver(results)
}

// learnLocked counts a response, and returns a function that logs what the operator should know.
func (e *endpoint) learnLocked(r *response, probe bool) (log func()) {
	now := time.Now()
	if r.skipped {
		return func() {}
	}
	if r.given || r.hurried {
		e.breaker.drop(probe)
		return func() {}
	}
	e.stats.Requests++
	e.stats.RequestTime += r.took
	if r.failure != nil {
		e.stats.Failures[r.failure.kind]++
	}
	changed := e.breaker.end(now, probe, r.failure != nil)
	if changed && r.failure != nil {
		e.breaker.extend(now, r.failure.retry)
	}
	return e.notes.note(e, r.failure, changed, now)
}

// landLocked finishes a flight.
func (e *endpoint) landLocked(f *flight, r *response) []result {
	switch {
	case r.given:
		return e.finishLocked(f, Answer{}, context.Cause(e.ctx))
	case r.hurried:
		return e.finishLocked(f, Answer{}, e.busy())
	case r.skipped, r.failure != nil:
		left, _ := e.breaker.refuses(time.Now())
		answer, err := e.fallback(left)
		return e.finishLocked(f, answer, err)
	}
	e.keepLocked(f, r)
	return e.finishLocked(f, r.reply.answer, r.reply.err())
}

// keepLocked keeps an answer, if that is allowed.
func (e *endpoint) keepLocked(f *flight, r *response) {
	d := r.reply.cache
	if d < 0 {
		d = e.own.Cache
	}
	d = min(d, e.own.MaxCache)
	if at := r.reply.answer.Expires; !at.IsZero() {
		d = min(d, time.Until(at))
	}
	if d <= 0 {
		return
	}
	e.keeps.Store(true)
	e.cache.put(sha256.Sum256(f.body), r.reply, r.bytes, time.Now().Add(d))
}
