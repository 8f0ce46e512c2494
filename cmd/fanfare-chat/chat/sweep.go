package chat

import (
	"context"
	"errors"
	"time"
)

// sweepEvery is the interval at which expired logins are ended.
const sweepEvery = time.Minute

// sweep ends expired logins.
func (c *Chat) sweep(ctx context.Context) {
	expired, err := c.accounts.Expire(ctx)
	if err = errors.Join(err, c.closeLogins(ctx, expired)); err != nil && ctx.Err() == nil {
		c.opts.Logger.Error("ending expired logins has failed", "error", err)
	}
}

// sweeper calls a function at intervals, until it is closed.
type sweeper struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func newSweeper(every time.Duration, sweep func(context.Context)) *sweeper {
	ctx, cancel := context.WithCancel(context.Background())
	s := &sweeper{cancel, make(chan struct{})}
	go func() {
		defer close(s.done)
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				sweep(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
	return s
}

// close cancels the function's context, and returns when it has returned.
func (s *sweeper) close() {
	s.cancel()
	<-s.done
}

// storeContext bounds how long the handler of a WebSocket waits for the store.
func (c *Chat) storeContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), writeTime)
}
