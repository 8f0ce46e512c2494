package webhook

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/httpurl"
	"github.com/fanfare-ws/fanfare/netpoll/paced"
)

// endpoint is a URL, with the events that it has not taken. run is its goroutine.
type endpoint struct {
	webhooks *Webhooks
	url      string
	shown    string // the scheme and the host: the rest may be secret
	client   *http.Client
	ctx      context.Context // ends when Close gives up
	wake     chan struct{}   // of capacity 1: there is something to look at
	changed  chan struct{}   // of capacity 1: there are other options
	done     chan struct{}   // closed when run has returned

	// Of run alone.
	failures              int  // in a row
	delays                int  // those of them since the options changed or Close was called: the delay grows with these
	hurries               bool // Close was called, and run has noticed
	told                  bool // the log says that it fails
	droppedBefore         uint64
	failed, dead, dropped paced.Log

	mu      sync.Mutex // after Webhooks.mu
	queue   queue
	failing bool // the last request has failed
	stats   EndpointStats
}

func newEndpoint(ctx context.Context, w *Webhooks, url string, via http.RoundTripper) *endpoint {
	return &endpoint{
		webhooks: w, url: url, shown: httpurl.HostOnly(url), ctx: ctx, wake: make(chan struct{}, 1), changed: make(chan struct{}, 1), done: make(chan struct{}),
		client: &http.Client{Transport: via, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// notify has run look again.
func (e *endpoint) notify() { signal(e.wake) }

// reload has run look at the options again. It ends a delay after a failure: the new options may mend what was wrong.
func (e *endpoint) reload() {
	signal(e.wake) // it may wait for a fuller batch
	signal(e.changed)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// add queues an event. It is called under Webhooks.mu, so in the order of the sequence.
func (e *endpoint) add(o *inForce, body []byte, sequence uint64) {
	e.mu.Lock()
	lost := e.queue.add(item{body, sequence, time.Now()}, o.MaxQueue, o.MaxQueueBytes)
	e.stats.Dropped += uint64(lost)
	look := len(e.queue.waiting()) == 1 || e.queue.full(o.MaxBatch)
	e.mu.Unlock()
	if look {
		e.notify()
	}
}

// logDropped logs that events were dropped since the last call. add cannot do that, as a log may block.
func (e *endpoint) logDropped(o *inForce) {
	e.mu.Lock()
	dropped := e.stats.Dropped
	e.mu.Unlock()
	if dropped > e.droppedBefore {
		e.dropped.Warn(o.Logger, "a webhook endpoint has too many waiting events; the oldest were dropped", "url", e.shown, "events", dropped-e.droppedBefore)
	}
	e.droppedBefore = dropped
}

// run sends batch after batch.
func (e *endpoint) run() {
	defer close(e.done)
	for {
		b := e.take()
		if b == nil {
			return
		}
		e.deliver(b)
		if e.ctx.Err() != nil {
			e.lose()
			return
		}
	}
}

// take waits for the next batch. It returns nil when Close was called and nothing is left.
func (e *endpoint) take() *batch {
	for {
		o := e.webhooks.options.Load()
		e.mu.Lock()
		wait, some := e.queue.ready(time.Now(), o, e.hurries)
		if some && wait <= 0 {
			b := e.queue.take(o.MaxBatch)
			e.mu.Unlock()
			return b
		}
		e.mu.Unlock()
		if !some && e.hurries {
			return nil
		}
		if !some {
			wait = -1
		}
		e.sleep(wait, e.wake)
	}
}

// sleep waits for a time, for wake, or for Close; without a limit if the time is negative.
func (e *endpoint) sleep(d time.Duration, wake <-chan struct{}) {
	var over <-chan time.Time
	if d >= 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	closing := e.webhooks.closing
	if e.hurries {
		closing = nil
	}
	select {
	case <-over:
	case <-wake:
	case <-closing:
		e.hurries, e.delays = true, 0
	case <-e.ctx.Done():
	}
}

// deliver sends a batch until the endpoint has taken it, or it is given up. After a failure it returns no sooner than
// the delay is over, so the next batch does not follow at once either.
func (e *endpoint) deliver(b *batch) {
	body := b.body(e.webhooks.run)
	for again := false; ; again = true {
		o := e.webhooks.options.Load()
		e.logDropped(o)
		r := e.post(o, b.id(e.webhooks.run), body)
		if r.givenUp {
			return
		}
		over := r.failure == nil
		if over {
			e.failures, e.delays = 0, 0
		} else {
			e.failures++
			e.delays++
			over = time.Since(b.items[0].queued) >= o.GiveUpAfter
		}
		e.count(o, b, &r, again, over)
		if r.failure != nil {
			e.pause(o, e.delay(o, r.retryAfter))
		}
		if over || e.ctx.Err() != nil {
			return
		}
	}
}

// maxRetryAfter is the longest Retry-After that is respected.
const maxRetryAfter = time.Hour

// leastDelay is the shortest delay that the end of Close causes.
const leastDelay = 50 * time.Millisecond

// delay returns the delay after a failure. While Close waits, it is at most half of the time that is left, so that there are
// several attempts however large the delays are otherwise.
func (e *endpoint) delay(o *inForce, retryAfter time.Duration) time.Duration {
	d := o.MaxRetryDelay
	if grown := o.RetryDelay << min(e.delays-1, 30); grown > 0 { // otherwise it has overflowed
		d = min(d, grown)
	}
	d = max(d/2+rand.N(d/2+1), min(retryAfter, maxRetryAfter))
	if e.hurries && !e.webhooks.deadline.IsZero() { // written before run noticed that Close was called
		d = min(d, max(time.Until(e.webhooks.deadline)/2, leastDelay))
	}
	return d
}

// pause waits after a failure, until the options change or Close is called.
func (e *endpoint) pause(o *inForce, d time.Duration) {
	hurried, until := e.hurries, time.Now().Add(d)
	for d > 0 && e.hurries == hurried && e.ctx.Err() == nil {
		if e.webhooks.options.Load() != o {
			e.delays = 0
			return
		}
		e.sleep(d, e.changed)
		d = time.Until(until)
	}
}

// count counts a request, and takes its batch out of the queue if it is over.
func (e *endpoint) count(o *inForce, b *batch, r *response, again, over bool) {
	e.mu.Lock()
	s := &e.stats
	s.Requests++
	s.RequestTime += r.took
	e.failing = r.failure != nil
	if again {
		s.Retries++
	}
	switch {
	case r.failure == nil:
		s.Sent += uint64(len(b.items))
	case over:
		s.DeadLetters += uint64(len(b.items))
	}
	if r.failure != nil {
		s.Failures[r.failure.kind]++
	}
	if over {
		e.queue.done()
	}
	e.mu.Unlock()
	e.log(o, b, r, over)
}

// log logs a failure, and its end if the failure was logged.
func (e *endpoint) log(o *inForce, b *batch, r *response, over bool) {
	if r.failure == nil {
		if e.told {
			o.Logger.Info("a webhook endpoint works again", "url", e.shown)
		}
		e.told = false
		return
	}
	if e.failed.Warn(o.Logger, "a webhook request failed", "url", e.shown, "error", r.failure, "failures_in_a_row", e.failures) {
		e.told = true
	}
	if over {
		e.dead.Warn(o.Logger, "events were given up, as a webhook endpoint has not taken them in time", "url", e.shown, "events", len(b.items), "after", o.GiveUpAfter)
	}
}

// lose drops what is left when Close gives up.
func (e *endpoint) lose() {
	e.mu.Lock()
	n := e.queue.clear()
	e.stats.Dropped += uint64(n)
	e.mu.Unlock()
	if n > 0 {
		e.webhooks.options.Load().Logger.Warn("events were not delivered before the drain time was over", "url", e.shown, "events", n)
	}
}
