package chat

import (
	"context"
	"errors"
	"time"
)

// sweepEvery is how long a login may last beyond its time.
const sweepEvery = time.Minute

// sweep ends the logins whose time has come.
func (c *Chat) sweep(ctx context.Context) {
	expired, err := c.accounts.Expire(ctx)
	if err = errors.Join(err, c.closeLogins(ctx, expired)); err != nil && ctx.Err() == nil {
		c.opts.Logger.Error("logins that have expired cannot be ended", "error", err)
	}
}

// sweeper calls a function from time to time, until it is closed.
type sweeper struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func newSweeper(sweep func(context.Context)) *sweeper {
	ctx, cancel := context.WithCancel(context.Background())
	s := &sweeper{cancel, make(chan struct{})}
	go func() {
		defer close(s.done)
		t := time.NewTicker(sweepEvery)
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

// close returns when the function has.
func (s *sweeper) close() {
	s.cancel()
	<-s.done
}

// storeContext bounds what a WebSocket's handler waits for the store.
func (c *Chat) storeContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), writeTime)
}
