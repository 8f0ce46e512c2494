package chat

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/fair"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/hub"
)

const (
	// maxBatch is the largest number of changes in one transaction.
	maxBatch = 256
	// writeTime bounds the duration of a transaction.
	writeTime = 10 * time.Second
)

// commitLog writes changes to the store, one batch after the other, and announces the outcomes in the
// same order. A batch takes the changes of the users in turn, so that a user who sends many does not
// delay others. The methods of a commitLog may be called from any goroutine.
type commitLog struct {
	store    store.Store
	now      func() time.Time
	announce func(*store.Message, func(hub.Receipt))
	some     chan struct{} // has a token while changes may be pending
	done     chan struct{} // closed when all changes are written

	mu      sync.Mutex
	pending *fair.Queue[int64, *pendingChange] // by user
	closed  bool
}

// pendingChange is a change that has not been written. done is called once, and must not block.
type pendingChange struct {
	change store.Change
	done   func(commitResult)
}

// commitResult is the outcome of a change.
type commitResult struct {
	store.Outcome
	receipt hub.Receipt // zero if nothing was announced
}

// newCommitLog starts a commitLog with limits for the pending changes, per user and in total. It calls
// announce for each new or changed message, in the order of the room's revisions. That calls its second argument once, from any
// goroutine; the next batch waits for that.
func newCommitLog(s store.Store, perUser, total int, now func() time.Time, announce func(*store.Message, func(hub.Receipt))) *commitLog {
	w := &commitLog{
		store: s, now: now, announce: announce, pending: fair.NewQueue[int64, *pendingChange](perUser, total),
		some: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go w.run()
	return w
}

var errClosed = errors.New("the server is shutting down")

// write queues a change, and sets its time. It never waits. done is called when the change has been
// stored and announced, or has failed, possibly before write returns.
func (s *commitLog) write(change store.Change, done func(commitResult)) {
	fail := func(done func(commitResult), err error) { done(commitResult{Outcome: store.Outcome{Err: err}}) }
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		fail(done, errClosed)
		return
	}
	shed, was, err := s.pending.Push(change.User, &pendingChange{change, done})
	s.mu.Unlock()
	if was {
		fail(shed.done, fair.ErrTotalLimit)
	}
	if err != nil {
		fail(done, err)
		return
	}
	s.wake()
}

func (s *commitLog) wake() {
	select {
	case s.some <- struct{}{}:
	default:
	}
}

// close returns when all pending changes are written. Later changes fail with errClosed.
func (s *commitLog) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wake()
	<-s.done
}

func (s *commitLog) run() {
	defer close(s.done)
	batch := make([]*pendingChange, 0, maxBatch)
	for range s.some {
		for {
			var closed bool
			if batch, closed = s.gather(batch[:0]); len(batch) == 0 {
				if closed {
					return
				}
				break
			}
			s.commit(batch)
			clear(batch) // the array must not keep messages in memory until the next batch of that size
		}
	}
}

// gather takes the changes of the next transaction, in turns of the users.
func (s *commitLog) gather(batch []*pendingChange) (_ []*pendingChange, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(batch) < maxBatch {
		_, w, ok := s.pending.Pop(nil)
		if !ok {
			break
		}
		batch = append(batch, w)
	}
	return batch, s.closed
}

// waiting returns the number of pending changes.
func (s *commitLog) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending.Len()
}

func (s *commitLog) commit(batch []*pendingChange) {
	changes := make([]store.Change, len(batch))
	now := s.now()
	for i, w := range batch {
		changes[i] = w.change
		changes[i].At = now
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), writeTime, errors.New("the transaction timed out"))
	defer cancel()
	outcomes, err := s.store.Apply(ctx, changes)
	results := make([]commitResult, len(batch))
	var announced sync.WaitGroup
	for i := range results {
		r := &results[i]
		if err != nil {
			r.Err = fmt.Errorf("the message could not be stored: %w", err)
			continue
		}
		if r.Outcome = outcomes[i]; r.Err == nil && !r.Unchanged {
			announced.Add(1)
			s.announce(&r.Message, func(rc hub.Receipt) {
				r.receipt = rc
				announced.Done()
			})
		}
	}
	announced.Wait()
	for i, w := range batch {
		w.done(results[i])
	}
}
