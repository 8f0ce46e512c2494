package backend

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"time"
)

// Backend asks an operator's server. To change its options, make a new one and Close the old.
type Backend struct {
	endpoints [hooks]*endpoint // nil if the hook is off
	transport *http.Transport  // nil if it belongs to the caller
	cancel    context.CancelCauseFunc
}

// New returns a Backend. It sends nothing before the first call.
func New(o Options) (*Backend, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("backend: %w", err)
	}
	o.setDefaults()
	b := new(Backend)
	if o.Transport == nil {
		b.transport = newTransport(&o)
		o.Transport = b.transport
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	b.cancel = cancel
	for i, h := range o.all() {
		if h.URL != "" {
			b.endpoints[i] = newEndpoint(ctx, Hook(i), &o, h)
		}
	}
	return b, nil
}

// newTransport returns a Transport whose connections outlive a pause between calls.
func newTransport(o *Options) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if t.TLSClientConfig = o.TLS.Clone(); t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.MaxIdleConnsPerHost, t.MaxIdleConns = o.MaxConcurrent, hooks*o.MaxConcurrent
	t.DisableCompression = true // MaxAnswer bounds what is read
	t.MaxResponseHeaderBytes = 64 << 10
	return t
}

// Has reports whether the hook is on.
func (b *Backend) Has(h Hook) bool { return b != nil && b.endpoints[h] != nil }

// Done receives the result of a call. It must not block, and must not change the Answer. An error is a *Refusal if the
// backend refuses, ErrBusy or ErrDown, in an *Error, if nobody has decided, the cause of the context's end, or
// ErrClosed.
type Done = func(Answer, error)

// Go asks the backend, and calls done once. It does not wait: done runs on a goroutine of the Backend or, if the result
// is known at once, on that of the caller, before Go returns. The call is given up when ctx ends, and the request with
// it if no other call shares it.
func (b *Backend) Go(ctx context.Context, r *Request, done Done) {
	if !b.Has(r.Hook) {
		done(Answer{}, ErrNoHook)
		return
	}
	b.endpoints[r.Hook].call(ctx, r, done)
}

// Do is Go for callers that may wait.
func (b *Backend) Do(ctx context.Context, r *Request) (answer Answer, err error) {
	answered := make(chan struct{})
	b.Go(ctx, r, func(a Answer, e error) {
		answer, err = a, e
		close(answered)
	})
	<-answered
	return answer, err
}

// Close refuses further calls with ErrClosed, and waits for those under way. When ctx ends it cancels them, and they
// get ErrClosed. It returns after the last callback.
func (b *Backend) Close(ctx context.Context) {
	done := make(chan struct{})
	for _, e := range b.endpoints {
		e.refuseFurther()
	}
	go func() {
		for _, e := range b.endpoints {
			e.wait()
		}
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	b.cancel(ErrClosed)
	for _, e := range b.endpoints {
		e.failAll(ErrClosed)
	}
	<-done
	if b.transport != nil {
		b.transport.CloseIdleConnections()
	}
}

// retryAfter returns a time for the header Retry-After, which counts in seconds.
func retryAfter(d time.Duration) time.Duration { return max(d, time.Second) }
