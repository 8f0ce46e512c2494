package natsbroker

import (
	"context"
	"math/rand/v2"
	"time"
)

// The delays between attempts grow from minDelay to maxDelay.
const (
	minDelay = 20 * time.Millisecond
	maxDelay = 2 * time.Second
)

// backoff waits between attempts: twice as long each time, and half of that at random, so that
// nodes that have lost the same server do not come back all at once.
type backoff struct{ next time.Duration }

// wait waits until the delay has passed, ctx is done, or a is ready.
func (d *backoff) wait(ctx context.Context, a <-chan struct{}) {
	d.next = min(max(2*d.next, minDelay), maxDelay)
	t := time.NewTimer(d.next/2 + rand.N(d.next/2))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-a:
	}
}
