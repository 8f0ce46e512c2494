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
	url    string
	opts   Options
	dialer *wsproto.Client
	events *queue
	done   chan struct{}

	unreadable atomic.Int64

	mu       sync.Mutex
	link     *link              // the connection, or the attempt; nil between them
	cancel   context.CancelFunc // of the attempt
	open     bool               // the link has said hello
	openedAt time.Time
	first    chan error // gets what became of the first attempt; nil afterwards
	attempts int        // since a connection that lasted
	timer    *time.Timer
	err      error // why it is closed
	warned   time.Time
	lastID   uint64
	calls    map[uint64]*call
	subs     map[string]*Subscription
}

// Dial connects to the hub at a ws:// or wss:// URL. It makes one attempt, bounded by
// ctx and Options.Timeout, and fails if that fails; later it is the client that connects
// again. o may be nil.
func Dial(ctx context.Context, url string, o *Options) (*Client, error) {
	opts := o.withDefaults()
	c := &Client{
		url: url, opts: opts, events: newQueue(opts.Backlog), done: make(chan struct{}), first: make(chan error, 1),
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
		c.end(err)
		return nil, err
	}
}

// Close ends the client for good. What waits for a reply fails with [ErrClosed], and no
// handler is called any more but one that is running. It does not wait for anything.
func (c *Client) Close() { c.end(ErrClosed) }

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
	l := &link{client: c}
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.link, c.cancel = l, cancel
	c.mu.Unlock()
	if _, err := c.dialer.Dial(ctx, c.url, l); err != nil {
		c.lost(l, err)
	}
}

// opened is called when the server has said hello.
func (c *Client) opened(l *link, hello *wire.Hello) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != l {
		return
	}
	c.open, c.openedAt = true, time.Now()
	for _, s := range c.subs {
		s.beginLocked(nil, 0)
	}
	for _, id := range slices.Sorted(maps.Keys(c.calls)) {
		c.sendLocked(id)
	}
	if c.first != nil {
		c.first <- nil
		c.first = nil
	}
	if f := c.opts.OnOpen; f != nil {
		c.events.add(0, func() { f(*hello) })
	}
}

// lost is called when a connection or an attempt has ended.
func (c *Client) lost(l *link, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != l || c.err != nil {
		return
	}
	if c.first != nil || final(err) {
		c.endLocked(err)
		return
	}
	if c.open && time.Since(c.openedAt) > c.opts.Timeout {
		c.attempts = 0
	}
	c.link, c.open = nil, false
	delay := c.delay(c.attempts)
	c.attempts++
	if wsproto.IsCloseError(err, wsproto.TryAgainLater) {
		delay += c.opts.MinDelay
	}
	delay += asked(err)
	c.timer = time.AfterFunc(delay, func() { c.connect(context.Background()) })
	for _, s := range c.subs {
		s.pauseLocked()
	}
	c.brokenLocked(err)
	c.tellClosedLocked(err, delay)
}

// brokenLocked fails the calls that were under way, or has them wait.
func (c *Client) brokenLocked(err error) {
	faulty := wsproto.IsCloseError(err, faultyCodes...) // one of them is, each time again
	for id, k := range c.calls {
		switch {
		case k.waits && k.loss != ends:
		case k.loss == repeats && !faulty:
			k.waits = true
		default:
			c.settleLocked(id, nil, fmt.Errorf("%w: %w", ErrLost, err))
		}
	}
}

// delay returns a random time that grows with the attempts.
func (c *Client) delay(attempts int) time.Duration {
	longest := c.opts.MaxDelay
	if grown := c.opts.MinDelay << min(attempts, 30); grown > 0 { // else it has overflowed
		longest = min(longest, grown)
	}
	return rand.N(longest + 1)
}

// maxRetryAfter is the longest time that a server can have a client stay away.
const maxRetryAfter = 10 * time.Minute

// asked returns the time after which the server asks to come back, if it does.
func asked(err error) time.Duration {
	var refused *wsproto.HandshakeError
	if errors.As(err, &refused) {
		return min(refused.RetryAfter, maxRetryAfter)
	}
	return 0
}

func (c *Client) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.endLocked(err)
	}
}

// endLocked closes the client for good.
func (c *Client) endLocked(err error) {
	c.err = err
	close(c.done)
	c.events.release()
	if c.timer != nil {
		c.timer.Stop()
	}
	c.cancel()
	if c.link != nil {
		c.link.hangUp(wsproto.NormalClosure, "")
	}
	c.link, c.open = nil, false
	for id := range c.calls {
		c.settleLocked(id, nil, c.closedLocked())
	}
	for _, s := range c.subs {
		s.failLocked(c.closedLocked())
		if err == ErrClosed { // what waits for its handler is not wanted any more
			s.ended.Store(true)
		}
	}
	if c.first != nil {
		c.first <- err
		c.first = nil
		return
	}
	c.tellClosedLocked(err, -1)
}

func (c *Client) tellClosedLocked(err error, retry time.Duration) {
	if f := c.opts.OnClose; f != nil {
		c.events.add(0, func() { f(err, retry) })
	}
}

// closedLocked is the error of who calls when the client is closed.
func (c *Client) closedLocked() error {
	if c.err == ErrClosed {
		return ErrClosed
	}
	return fmt.Errorf("%w: %w", ErrClosed, c.err)
}
