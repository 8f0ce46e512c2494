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

// Client is a connection to a server that is kept up until Close, or until the server
// does not want it. Its methods are safe from any goroutine.
type Client struct {
	url       string
	opts      Options
	dialer    *wsproto.Client
	callbacks *callbackQueue
	done      chan struct{}

	unreadable atomic.Int64

	mu          sync.Mutex
	current     *connection        // the connection, or the attempt; nil between them
	cancel      context.CancelFunc // of the attempt
	open        bool               // the link has said hello
	openedAt    time.Time
	first       chan error // gets what became of the first attempt; nil afterwards
	attempts    int        // since a connection that lasted
	timer       *time.Timer
	err         error // why it is closed
	lastWarning time.Time
	lastID      uint64
	calls       map[uint64]*call
	subs        map[string]*Subscription
}

// Dial connects to the hub at a ws:// or wss:// URL. It makes one attempt, bounded by
// ctx and Options.Timeout, and fails if that fails; later it is the client that connects
// again. o may be nil.
func Dial(ctx context.Context, url string, o *Options) (*Client, error) {
	opts := o.withDefaults()
	c := &Client{
		url: url, opts: opts, callbacks: newCallbackQueue(opts.Backlog), done: make(chan struct{}), first: make(chan error, 1),
		calls: make(map[uint64]*call), subs: make(map[string]*Subscription),
		dialer: &wsproto.Client{
			Header: opts.Header, Subprotocols: []string{wire.Protocol}, TLSConfig: opts.TLSConfig, Compression: opts.Compression,
			Proxy: opts.Proxy, Engine: opts.Engine, MaxMessage: opts.MaxMessage, HandshakeTimeout: opts.Timeout,
			PingInterval: opts.PingInterval, PongTimeout: opts.Timeout,
		},
	}
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

// Close ends the client for good. What waits for a reply fails with [ErrClosed], and no
// handler is called any more but one that is running. It does not wait for anything.
func (c *Client) Close() { c.shutDown(ErrClosed) }

// Done is closed when the client is.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the client is closed, ErrClosed if by Close; nil if it is not.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// connect makes an attempt, and returns when the handshake is done or has failed.
func (c *Client) connect(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.opts.Timeout, errors.New("it took too long"))
	defer cancel()
	conn := &connection{client: c}
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.current, c.cancel = conn, cancel
	c.mu.Unlock()
	if _, err := c.dialer.Dial(ctx, c.url, conn); err != nil {
		c.disconnected(conn, err)
	}
}

// connected is called when the server has said hello.
func (c *Client) connected(conn *connection, hello *wire.Hello) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != conn {
		return
	}
	c.open, c.openedAt = true, time.Now()
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
	if c.current != conn || c.err != nil {
		return
	}
	if c.first != nil || permanent(err) {
		c.shutDownLocked(err)
		return
	}
	if c.open && time.Since(c.openedAt) > c.opts.Timeout {
		c.attempts = 0
	}
	c.current, c.open = nil, false
	delay := c.backoff(c.attempts)
	c.attempts++
	if wsproto.IsCloseError(err, wsproto.TryAgainLater) {
		delay += c.opts.MinDelay
	}
	delay += retryAfter(err)
	c.timer = time.AfterFunc(delay, func() { c.connect(context.Background()) })
	for _, s := range c.subs {
		s.suspendLocked()
	}
	c.interruptCallsLocked(err)
	c.notifyCloseLocked(err, delay)
}

// interruptCallsLocked fails the calls that were under way, or has them wait.
func (c *Client) interruptCallsLocked(err error) {
	faulty := wsproto.IsCloseError(err, messageFaults...) // one of them is, each time again
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

// backoff returns a random time that grows with the attempts.
func (c *Client) backoff(attempts int) time.Duration {
	longest := c.opts.MaxDelay
	if grown := c.opts.MinDelay << min(attempts, 30); grown > 0 { // else it has overflowed
		longest = min(longest, grown)
	}
	return rand.N(longest + 1)
}

// maxRetryAfter is the longest time that a server can have a client stay away.
const maxRetryAfter = 10 * time.Minute

// retryAfter returns the time after which the server asks to come back, if it does.
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

// shutDownLocked closes the client for good.
func (c *Client) shutDownLocked(err error) {
	c.err = err
	close(c.done)
	c.callbacks.unblock()
	if c.timer != nil {
		c.timer.Stop()
	}
	c.cancel()
	if c.current != nil {
		c.current.close(wsproto.NormalClosure, "")
	}
	c.current, c.open = nil, false
	for id := range c.calls {
		c.completeLocked(id, nil, c.closedErrorLocked())
	}
	for _, s := range c.subs {
		s.endLocked(c.closedErrorLocked())
		if err == ErrClosed { // what waits for its handler is not wanted any more
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

// closedErrorLocked is the error of who calls when the client is closed.
func (c *Client) closedErrorLocked() error {
	if c.err == ErrClosed {
		return ErrClosed
	}
	return fmt.Errorf("%w: %w", ErrClosed, c.err)
}
