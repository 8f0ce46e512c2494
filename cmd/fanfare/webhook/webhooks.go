package webhook

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Webhooks sends events to endpoints.
type Webhooks struct {
	options   atomic.Pointer[inForce]
	endpoints []*endpoint
	transport *http.Transport // nil if it belongs to the caller
	run       string
	cancel    context.CancelFunc
	closing   chan struct{} // closed when Close is called
	deadline  time.Time     // of Close, zero for none; written before closing is closed

	mu       sync.Mutex // before endpoint.mu
	sequence uint64     // of the last event
	holding  holding
	closed   bool
	stats    Stats
}

// New returns Webhooks. They send nothing before the first event.
func New(o Options) (*Webhooks, error) {
	f, err := o.compile()
	if err != nil {
		return nil, err
	}
	w := &Webhooks{run: newRun(), closing: make(chan struct{})}
	w.holding.byKey = make(map[holdKey]*held)
	w.options.Store(f)
	transport := o.Transport
	if transport == nil {
		w.transport = newTransport()
		transport = w.transport
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	for _, url := range o.URLs {
		e := newEndpoint(ctx, w, url, transport)
		w.endpoints = append(w.endpoints, e)
		go e.run()
	}
	return w, nil
}

// newRun returns a name that no other process has.
func newRun() string {
	var b [8]byte
	rand.Read(b[:])
	return strconv.FormatUint(binary.BigEndian.Uint64(b[:]), 36)
}

// Set replaces the options, but for the URLs, which must be the same, and the Transport. It holds for what is sent from now on,
// and a request that has failed is sent again at once.
func (w *Webhooks) Set(o Options) error {
	f, err := o.compile()
	if err != nil {
		return err
	}
	if !slices.Equal(f.URLs, w.options.Load().URLs) {
		return errors.New("webhook: the URLs are others; that needs new Webhooks")
	}
	w.options.Store(f)
	for _, e := range w.endpoints {
		e.reload()
	}
	return nil
}

// WantsClients reports whether events of clients are sent.
func (w *Webhooks) WantsClients() bool {
	o := w.options.Load()
	return o.wanted[connected] || o.wanted[disconnected]
}

// add queues an event, or holds it, or drops it if it is not wanted.
func (w *Webhooks) add(e *event) {
	o := w.options.Load()
	wanted := o.wants(e)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
	case (e.kind == occupied || e.kind == joined) && w.cancelLocked(e):
	case !wanted:
	case (e.kind == vacated || e.kind == left) && o.HoldEnds > 0:
		w.holdLocked(o, e)
	default:
		w.queueLocked(o, e)
	}
}

// queueLocked gives an event its sequence number, and adds it to the queue of each endpoint.
func (w *Webhooks) queueLocked(o *inForce, e *event) {
	w.sequence++
	w.stats.Events[e.kind]++
	body := e.encode(w.run, w.sequence)
	for _, to := range w.endpoints {
		to.add(o, body, w.sequence)
	}
}

// Close sends what is queued and held, without waiting for more, until ctx is done. What fails is sent again, after delays that
// begin anew and are at most half of the time until the deadline of ctx. What has not been taken by then is lost, counted and
// logged. It returns when all goroutines have ended. Events that come later are ignored.
func (w *Webhooks) Close(ctx context.Context) {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return
	}
	w.releaseAllLocked(w.options.Load())
	w.closed = true
	w.mu.Unlock()
	w.deadline, _ = ctx.Deadline()
	close(w.closing)
	stop := context.AfterFunc(ctx, w.cancel)
	for _, e := range w.endpoints {
		<-e.done
	}
	stop()
	w.cancel()
	if w.transport != nil {
		w.transport.CloseIdleConnections()
	}
}
