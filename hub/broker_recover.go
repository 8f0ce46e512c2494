package hub

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// recoverers is the number of topics that are recovered at a time.
	recoverers = 8
	// The delays between two attempts to recover a topic grow from minRetry to maxRetry.
	minRetry = 10 * time.Millisecond
	maxRetry = 250 * time.Millisecond
)

// recovery has all topics fetch what they missed, or begin anew.
type recovery struct {
	*brokerNode
	at Position // what was published after it is delivered
	// answered is when the broker answered last. If it does not for Options.BrokerTimeout, the
	// time is over for all topics: however many there are, they do not wait for it one by one.
	answered atomic.Pointer[time.Time]
	over     atomic.Bool // the broker keeps no history, or the time is over
}

// recover has all topics fetch what they missed before at, or begin anew after it. Nothing is
// delivered meanwhile, since the broker waits for this call. If the link is lost again, which the
// broker reports after this call, the attempts go on: it may be back before the time is over.
func (n *brokerNode) recover(at Position) {
	r := &recovery{brokerNode: n, at: at}
	r.hasAnswered()
	topics := n.hub.all()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(recoverers, len(topics)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(topics)); i = next.Add(1) - 1 {
				if t := topics[i]; !r.persist(t) {
					t.restart(at)
				}
			}
		})
	}
	wg.Wait()
}

func (r *recovery) hasAnswered() {
	now := time.Now()
	r.answered.Store(&now)
}

// left returns for how long the broker may still fail.
func (r *recovery) left() time.Duration { return r.timeout - time.Since(*r.answered.Load()) }

// persist has the topic fetch what it missed, and tries again while the link is only down or slow.
// It returns false if messages are missing for certain, or the time is over.
func (r *recovery) persist(t *Topic) bool {
	for delay := minRetry; ; delay = min(2*delay, maxRetry) {
		missing, err := r.catchUp(t)
		switch {
		case err == nil, errors.Is(err, errMissed):
			if missing {
				r.hasAnswered()
			}
			return err == nil
		case errors.Is(err, ErrNoHistory), r.left() <= 0, r.hub.closed.Load():
			r.over.Store(true)
		}
		if r.over.Load() {
			return false
		}
		time.Sleep(min(delay/2+rand.N(delay), max(r.left(), 0)))
	}
}

// catchUp has the topic fetch what it missed. It returns whether the topic missed anything, and the
// error is errMissed if that is not available for certain.
func (r *recovery) catchUp(t *Topic) (missing bool, err error) {
	t.mu.Lock()
	last, epoch, begun := t.log.last, t.epoch, t.remote.begun || t.log.last > 0
	apart := t.ended || t.remote.local // restartUnstored has told the subscribers
	t.mu.Unlock()
	switch {
	case !begun, apart:
		return false, nil
	case epoch != r.at.Epoch:
		return false, errMissed
	case last >= r.at.Offset:
		return false, nil
	case r.over.Load():
		return true, ErrNoHistory
	}
	// An answer that does not come at all takes half of the time, and leaves the other half.
	ctx, cancel := context.WithTimeout(context.Background(), min(r.timeout/2, r.left()))
	defer cancel()
	return true, r.fetchNewer(ctx, t, HistoryQuery{Subject: t.name, After: last, UpTo: r.at.Offset, Bytes: maxPending}, epoch)
}
