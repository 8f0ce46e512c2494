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
	// maxBatch is how many changes are written in one transaction, at most.
	maxBatch = 256
	// writeTime is how long a transaction may take.
	writeTime = 10 * time.Second
)

// commitLog writes what is said, one batch after the other, and announces it in the same
// order. A batch has one change of each user in turn, so that who says much does not keep
// others waiting. Its methods are safe from any goroutine.
type commitLog struct {
	store    store.Store
	now      func() time.Time
	announce func(*store.Message) hub.Receipt
	some     chan struct{} // has a token while there may be something pending
	done     chan struct{} // closed when all is written

	mu      sync.Mutex
	pending *fair.Queue[int64, *pendingChange] // by user
	closed  bool
}

// pendingChange is a change on its way. done is called once, and must not block.
type pendingChange struct {
	change store.Change
	done   func(commitResult)
}

// commitResult is what became of it.
type commitResult struct {
	store.Outcome
	receipt hub.Receipt // zero if there was nothing to announce
}

// newCommitLog returns a commitLog that has its goroutine, and room for as many changes of each
// user, and in total. announce is called for each message that is new or has changed, in
// the order of the room's revisions.
func newCommitLog(s store.Store, perUser, total int, now func() time.Time, announce func(*store.Message) hub.Receipt) *commitLog {
	w := &commitLog{
		store: s, now: now, announce: announce, pending: fair.NewQueue[int64, *pendingChange](perUser, total),
		some: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go w.run()
	return w
}

var errClosed = errors.New("the server is about to end")

// write has a change stored and announced. It never waits: done is called when that has
// happened or has failed, perhaps before write returns. At is set.
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

// close returns when all that is pending is written. What comes later fails.
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
			clear(batch) // what was said must not be held until as many say something again
		}
	}
}

// gather takes what waits, as much as one transaction has, in turns of the users.
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

// waiting returns how many changes are pending.
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
	ctx, cancel := context.WithTimeoutCause(context.Background(), writeTime, errors.New("the database takes too long"))
	defer cancel()
	outcomes, err := s.store.Apply(ctx, changes)
	results := make([]commitResult, len(batch))
	for i := range results {
		r := &results[i]
		if err != nil {
			r.Err = fmt.Errorf("it could not be stored: %w", err)
			continue
		}
		if r.Outcome = outcomes[i]; r.Err == nil && !r.Unchanged {
			r.receipt = s.announce(&r.Message)
		}
	}
	for i, w := range batch {
		w.done(results[i])
	}
}
