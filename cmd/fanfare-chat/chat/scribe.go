package chat

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/hub"
)

const (
	// maxBatch is how many changes are written in one transaction, at most.
	maxBatch = 256
	// writeTime is how long a transaction may take. Those who wait hold workers.
	writeTime = 10 * time.Second
)

// scribe writes what is said, one batch after the other, and announces it in the same
// order. Its methods are safe from any goroutine.
type scribe struct {
	store    store.Store
	now      func() time.Time
	announce func(*store.Message) hub.Receipt
	pending  chan *writing
	done     chan struct{} // closed when all is written

	mu     sync.RWMutex // shared to send to pending
	closed bool
}

// writing is a change that somebody waits for.
type writing struct {
	change store.Change
	result chan written
}

// written is what became of it.
type written struct {
	store.Outcome
	receipt hub.Receipt // zero if there was nothing to announce
}

// newScribe returns a scribe that has its goroutine. announce is called for each message
// that is new or has changed, in the order of the room's revisions.
func newScribe(s store.Store, now func() time.Time, announce func(*store.Message) hub.Receipt) *scribe {
	w := &scribe{store: s, now: now, announce: announce, pending: make(chan *writing, maxBatch), done: make(chan struct{})}
	go w.run()
	return w
}

var errClosed = errors.New("the server is about to end")

// write returns when the change has been stored and announced, or has failed. At is set.
func (s *scribe) write(change store.Change) written {
	w := &writing{change, make(chan written, 1)}
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return written{Outcome: store.Outcome{Err: errClosed}}
	}
	s.pending <- w
	s.mu.RUnlock()
	return <-w.result
}

// close returns when all that is pending is written. What comes later fails.
func (s *scribe) close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.pending)
	}
	s.mu.Unlock()
	<-s.done
}

func (s *scribe) run() {
	defer close(s.done)
	batch := make([]*writing, 0, maxBatch)
	for first := range s.pending {
		batch = append(batch[:0], first)
		s.gather(&batch)
		s.commit(batch)
		clear(batch) // what was said is not to be held until as many say something again
	}
}

// gather adds what waits already.
func (s *scribe) gather(batch *[]*writing) {
	for len(*batch) < maxBatch {
		select {
		case w, ok := <-s.pending:
			if !ok {
				return
			}
			*batch = append(*batch, w)
		default:
			return
		}
	}
}

func (s *scribe) commit(batch []*writing) {
	changes := make([]store.Change, len(batch))
	now := s.now()
	for i, w := range batch {
		changes[i] = w.change
		changes[i].At = now
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), writeTime, errors.New("the database takes too long"))
	defer cancel()
	outcomes, err := s.store.Apply(ctx, changes)
	results := make([]written, len(batch))
	for i := range results {
		r := &results[i]
		if err != nil {
			r.Err = fmt.Errorf("it could not be stored: %w", err)
			continue
		}
		if r.Outcome = outcomes[i]; r.Err == nil && !r.Again {
			r.receipt = s.announce(&r.Message)
		}
	}
	for i, w := range batch {
		w.result <- results[i]
	}
}
