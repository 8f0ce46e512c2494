package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Client is a connection to a server. It reconnects until Close is called or the server rejects
// it. Its methods may be called from any goroutine.
type Client struct {
	urls      []string // of Dial, and those of Options.Others
	opts      Options
	dialer    *wsproto.Client
	callbacks *callbackQueue
	done      chan struct{}

	life       context.Context // ends when the client is closed
	end        context.CancelFunc
	fetching   chan struct{} // held while a token is fetched
	unreadable atomic.Int64

	mu          sync.Mutex
	at          int                // the place in urls of the next attempt, or the current one
	current     *connection        // the connection, or the current attempt; nil between attempts
	cancel      context.CancelFunc // ends the current attempt
	open        bool               // the hello has arrived on the current connection
	openedAt    time.Time
	first       chan error // receives the result of the first attempt; nil afterwards
	second      bool       // the first attempt is made again, with another token
	attempts    int        // since a connection that lasted longer than Options.Timeout
	timer       timer
	token       token
	err         error // why the client is closed; nil if it is not
	lastWarning time.Time
	lastID      uint64
	calls       map[uint64]*call
	subs        map[string]*Subscription
}

// Dial connects to the hub at a ws:// or wss:// URL. It makes one attempt, bounded by ctx and
// Options.Timeout, and fails if the attempt fails; if the server refuses the token, it asks for
// another one and tries once more. The client reconnects only after Dial has
// succeeded. ctx has no effect afterwards. o may be nil.
func Dial(ctx context.Context, url string, o *Options) (*Client, error) {
	opts := o.withDefaults()
	c := &Client{
		urls: append([]string{url}, opts.Others...), opts: opts, callbacks: newCallbackQueue(opts.Backlog), done: make(chan struct{}), first: make(chan error, 1),
		fetching: make(chan struct{}, 1), calls: make(map[uint64]*call), subs: make(map[string]*Subscription),
		dialer: &wsproto.Client{
			Header: opts.Header, Subprotocols: []string{wire.Protocol}, TLSConfig: opts.TLSConfig, Compression: opts.Compression,
			Proxy: opts.Proxy, Engine: opts.Engine, MaxMessage: opts.MaxMessage, HandshakeTimeout: opts.Timeout,
			PingInterval: opts.PingInterval, PongTimeout: opts.Timeout,
		},
	}
	if opts.Token != nil {
		for i, url := range c.urls {
			c.urls[i] = withAuth(url)
		}
	}
	c.life, c.end = context.WithCancel(context.WithoutCancel(ctx))
	first := c.first
	c.connect(ctx)
	select {
	case err := <-first:
		if err != nil {
			return nil, err
		}
		return c, nil
	case <-ctx.Done():
		err := fmt.Errorf("client: %w", context.Cause(ctx))
		c.shutDown(err)
		return nil, err
	}
}

// Close closes the client for good, without waiting. Calls in progress fail with [ErrClosed], and
// no further handler is called; one that is running is not interrupted.
func (c *Client) Close() { c.shutDown(ErrClosed) }

// Done returns a channel that is closed when the client is closed.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns nil while the client is not closed, ErrClosed after Close, and otherwise the error
// for which the client was closed.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// connect makes one attempt. It returns when the handshake has succeeded or failed.
func (c *Client) connect(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.opts.Timeout, errors.New("the attempt timed out"))
	defer cancel()
	conn := &connection{client: c}
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.current, c.cancel = conn, cancel
	url := c.urls[c.at]
	c.mu.Unlock()
	err := c.ensureToken(ctx)
	if err == nil {
		_, err = c.dialer.Dial(ctx, url, conn)
	}
	if err != nil {
		c.disconnected(conn, err)
	}
}

// connected is called when the hello has arrived.
func (c *Client) connected(conn *connection, hello *wire.Hello) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != conn {
		return
	}
	c.open, c.openedAt = true, c.opts.clock.Now()
	c.tokenAcceptedLocked(conn, hello.Expires)
	c.sendAgainLocked()
	for _, s := range c.subs {
		s.subscribeLocked(nil, 0)
	}
	for _, id := range slices.Sorted(maps.Keys(c.calls)) {
		c.sendLocked(id)
	}
	if c.first != nil {
		c.first <- nil
		c.first = nil
	}
	if f := c.opts.OnOpen; f != nil {
		c.callbacks.add(0, func() { f(*hello) })
	}
}

// disconnected is called when a connection or an attempt has ended.
func (c *Client) disconnected(conn *connection, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.disconnectedLocked(conn, err)
}

func (c *Client) disconnectedLocked(conn *connection, err error) {
	if c.current != conn || c.err != nil {
		return
	}
	if c.tokenRefusedLocked(err) && c.first != nil && !c.second && c.opts.Token != nil {
		c.current, c.second = nil, true
		go c.connect(c.life)
		return
	}
	if c.first != nil || permanent(err) {
		c.shutDownLocked(err)
		return
	}
	c.stopRenewalLocked()
	if c.open && c.opts.clock.Now().Sub(c.openedAt) > c.opts.Timeout {
		c.attempts = 0
	}
	c.current, c.open = nil, false
	if n := len(c.urls); n > 1 { // to another one, so that all clients of a node are spread over the others
		c.at = (c.at + 1 + rand.IntN(n-1)) % n
	}
	delay := c.delayLocked(err)
	c.timer = c.opts.clock.AfterFunc(delay, func() { c.connect(c.life) })
	for _, s := range c.subs {
		s.suspendLocked()
	}
	c.interruptCallsLocked(err)
	c.notifyCloseLocked(err, delay)
}

// interruptCallsLocked fails the calls in progress, or has them sent again after reconnecting.
func (c *Client) interruptCallsLocked(err error) {
	faulty := wsproto.IsCloseError(err, messageFaults...) // the server would refuse the faulty one every time
	for id, k := range c.calls {
		switch {
		case k.unsent && k.onLoss != discard:
		case k.onLoss == resend && !faulty:
			k.unsent = true
		default:
			c.completeLocked(id, nil, fmt.Errorf("%w: %w", ErrLost, err))
		}
	}
}

// delayLocked returns the delay before the next attempt.
func (c *Client) delayLocked(err error) time.Duration {
	attempts := c.attempts
	c.attempts++
	switch {
	case wsproto.IsCloseError(err, wsproto.GoingAway, wsproto.ServiceRestart): // so have all its clients
		attempts = max(attempts, 1)
	case wsproto.IsCloseError(err, wsproto.TryAgainLater, wire.CloseRateLimited):
		return c.opts.MinDelay + c.backoff(attempts)
	}
	return c.backoff(attempts) + retryAfter(err)
}

// backoff returns a random delay that grows with the number of attempts.
func (c *Client) backoff(attempts int) time.Duration {
	longest := c.opts.MaxDelay
	if grown := c.opts.MinDelay << min(attempts, 30); grown > 0 { // otherwise it has overflowed
		longest = min(longest, grown)
	}
	return rand.N(longest + 1)
}

// maxRetryAfter is the longest Retry-After of a server that the client respects.
const maxRetryAfter = 10 * time.Minute

// retryAfter returns the delay that the server has asked for, or 0.
func retryAfter(err error) time.Duration {
	var refused *wsproto.HandshakeError
	if errors.As(err, &refused) {
		return min(refused.RetryAfter, maxRetryAfter)
	}
	return 0
}

func (c *Client) shutDown(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.shutDownLocked(err)
	}
}

// shutDownLocked closes the client for good, because of err.
func (c *Client) shutDownLocked(err error) {
	c.err = err
	close(c.done)
	c.callbacks.unblock()
	if c.timer != nil {
		c.timer.Stop()
	}
	c.stopRenewalLocked()
	c.cancel()
	c.end()
	if c.current != nil {
		c.current.close(wsproto.NormalClosure, "")
	}
	c.current, c.open = nil, false
	for id := range c.calls {
		c.completeLocked(id, nil, c.closedErrorLocked())
	}
	for _, s := range c.subs {
		s.endLocked(c.closedErrorLocked())
		if err == ErrClosed { // Close promises that no further handler is called
			s.ended.Store(true)
		}
	}
	if c.first != nil {
		c.first <- err
		c.first = nil
		return
	}
	c.notifyCloseLocked(err, -1)
}

func (c *Client) notifyCloseLocked(err error, retry time.Duration) {
	if f := c.opts.OnClose; f != nil {
		c.callbacks.add(0, func() { f(err, retry) })
	}
}

// closedErrorLocked returns the error of calls on a closed client.
func (c *Client) closedErrorLocked() error {
	if c.err == ErrClosed {
		return ErrClosed
	}
	return fmt.Errorf("%w: %w", ErrClosed, c.err)
}
