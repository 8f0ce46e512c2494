package natsbroker

import (
	"context"
	"fmt"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// probeAgain is how long a probe may be on its way before another one is sent.
const probeAgain = 2 * time.Second

// Join makes Broker a [hub.Broker].
func (b *Broker) Join(ctx context.Context, subject string) (hub.Position, error) {
	j := new(joined)
	all := b.joined(subject)
	b.mu.Lock()
	s := b.session
	if err := b.errLocked(); err != nil {
		b.mu.Unlock()
		return hub.Position{}, err
	}
	all[subject] = j
	if hub.IsPattern(subject) {
		b.beginning++
	}
	var at hub.Position
	w := newWaiter(func(seq uint64) { at = b.beganLocked(subject, j, seq) })
	b.doLocked(s, op{subscribe: b.subjects.outTopic + escapePattern(subject), waiter: w})
	b.mu.Unlock()
	err := b.await(ctx, s, w)
	if err == nil {
		return at, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leaveLocked(subject, j)
	return hub.Position{}, fmt.Errorf("natsbroker: joining %q: %w", subject, err)
}

// joined returns the map that subject belongs to.
func (b *Broker) joined(subject string) map[string]*joined {
	if hub.IsPattern(subject) {
		return b.patterns
	}
	return b.topics
}

// errLocked returns why the node is unusable, or nil.
func (b *Broker) errLocked() error {
	switch {
	case b.closed:
		return errClosed
	case b.session == nil || b.epoch == 0:
		return b.cause
	}
	return nil
}

// beganLocked ends the joining: everything after seq is delivered.
func (b *Broker) beganLocked(subject string, j *joined, seq uint64) hub.Position {
	if hub.IsPattern(subject) && !j.begun && !j.left {
		b.tracker.begin(seq)
		b.beginning--
	}
	j.begun, j.last = true, max(j.last, seq)
	return hub.Position{Epoch: b.epoch, Offset: seq}
}

// await waits until a probe has come back. It sends further ones if the first one is lost.
func (b *Broker) await(ctx context.Context, s *session, w *waiter) error {
	tick := time.NewTicker(probeAgain)
	defer tick.Stop()
	for {
		select {
		case <-w.done:
			return w.err
		case <-ctx.Done():
			return b.giveUp(w, fmt.Errorf("%w: %w", hub.ErrLinkDown, context.Cause(ctx)))
		case <-b.ctx.Done():
			return b.giveUp(w, errClosed)
		case <-tick.C:
			b.mu.Lock()
			if b.session == s {
				b.doLocked(s, op{waiter: w})
			}
			b.mu.Unlock()
		}
	}
}

// giveUp ends the waiting with err, unless the probe has come back just now.
func (b *Broker) giveUp(w *waiter, err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	w.fail(err)
	return w.err
}

// Leave makes Broker a [hub.Broker].
func (b *Broker) Leave(subject string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if j := b.joined(subject)[subject]; j != nil {
		b.leaveLocked(subject, j)
	}
}

func (b *Broker) leaveLocked(subject string, j *joined) {
	delete(b.joined(subject), subject)
	if hub.IsPattern(subject) && !j.begun {
		b.beginning--
	}
	j.left = true
	if !hub.IsPattern(subject) && len(b.patterns) > 0 {
		b.tracker.set(subject, max(j.last, b.tracker.last(subject)))
	}
	if b.session != nil {
		b.doLocked(b.session, op{unsubscribe: b.subjects.outTopic + escapePattern(subject)})
	}
}

// Sync makes Broker a [hub.Syncer].
func (b *Broker) Sync(ctx context.Context) error {
	synced := make(chan error, 1)
	var base uint64
	w := newWaiter(func(uint64) {
		if !b.up || b.base != base { // messages may have been dropped
			synced <- b.cause
			return
		}
		b.out.push(call{synced: synced})
	})
	b.mu.Lock()
	base = b.base
	s, err := b.session, b.errLocked()
	if err == nil && !b.up {
		err = b.cause
	}
	if err == nil {
		b.doLocked(s, op{waiter: w})
	}
	b.mu.Unlock()
	if err == nil {
		err = b.await(ctx, s, w)
	}
	if err != nil {
		return fmt.Errorf("natsbroker: %w", err)
	}
	select {
	case err := <-synced:
		if err != nil {
			return fmt.Errorf("natsbroker: %w", err)
		}
		return nil
	case <-b.ctx.Done():
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}
