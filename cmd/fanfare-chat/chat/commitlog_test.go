package chat

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/fair"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/hub"
)

// ledger is a store that counts changes, and whose Apply waits for the test.
type ledger struct {
	store.Store
	enter, leave chan struct{}

	mu      sync.Mutex
	rev     int64
	batches []int
}

func (l *ledger) Apply(_ context.Context, changes []store.Change) ([]store.Outcome, error) {
	l.enter <- struct{}{}
	<-l.leave
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batches = append(l.batches, len(changes))
	out := make([]store.Outcome, len(changes))
	for i, c := range changes {
		if c.Text == "no" {
			out[i].Err = store.ErrForbidden
			continue
		}
		l.rev++
		out[i].Message = store.Message{Rev: l.rev, Text: c.Text, Sent: c.At}
	}
	return out, nil
}

// commitLogOf returns a commitLog on a ledger, and the revisions that it announces.
func commitLogOf(t *testing.T, l *ledger, perUser, total int) (*commitLog, *[]int64) {
	var announced []int64
	return newCommitLog(l, perUser, total, func() time.Time { return time.UnixMilli(7) }, func(m *store.Message, done func(hub.Receipt)) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if m.Rev > l.rev || m.Sent.UnixMilli() != 7 {
			t.Errorf("%+v is announced, but the store is at %d", m, l.rev)
		}
		announced = append(announced, m.Rev)
		done(hub.Receipt{Receivers: 1})
	}), &announced
}

// While one batch is written, the next gathers. All changes are announced once, in order, and not before
// they are stored. Changes that are pending at the end are written.
func TestCommitLog(t *testing.T) {
	l := &ledger{enter: make(chan struct{}), leave: make(chan struct{})}
	s, announced := commitLogOf(t, l, 100, 100)
	var writers sync.WaitGroup
	write := func(text string) {
		writers.Add(1)
		s.write(store.Change{Text: text}, func(w commitResult) {
			defer writers.Done()
			if text == "no" {
				if !errors.Is(w.Err, store.ErrForbidden) || w.receipt.Receivers != 0 {
					t.Errorf("%+v", w)
				}
			} else if w.Err != nil || w.receipt.Receivers != 1 || w.Message.Rev == 0 {
				t.Errorf("%+v", w)
			}
		})
	}
	write("first")
	<-l.enter
	for range 9 {
		write("more")
	}
	write("no")
	closed := make(chan struct{})
	go func() { defer close(closed); s.close() }()
	l.leave <- struct{}{}
	<-l.enter
	l.leave <- struct{}{}
	<-closed
	writers.Wait()
	if !slices.Equal(l.batches, []int{1, 10}) {
		t.Errorf("batches: %v", l.batches)
	}
	if !slices.IsSorted(*announced) || len(*announced) != 10 {
		t.Errorf("announced: %v", *announced)
	}
	s.write(store.Change{}, func(w commitResult) {
		if !errors.Is(w.Err, errClosed) {
			t.Errorf("after close: %v", w.Err)
		}
	})
}

// A user with many changes delays others by at most one batch. The pending changes are bounded per user and
// in total; beyond the total the user with the most loses some.
func TestCommitLogIsFair(t *testing.T) {
	l := &ledger{enter: make(chan struct{}), leave: make(chan struct{})}
	s, _ := commitLogOf(t, l, 2*maxBatch, 2*maxBatch+1)
	failed := make(map[int64]map[error]int)
	write := func(user int64) {
		s.write(store.Change{User: user}, func(w commitResult) {
			l.mu.Lock()
			defer l.mu.Unlock()
			if failed[user] == nil {
				failed[user] = make(map[error]int)
			}
			failed[user][w.Err]++
		})
	}
	write(1)
	<-l.enter
	for range 2*maxBatch + 5 {
		write(1)
	}
	write(2)
	write(3)
	write(3)
	if s.waiting() != 2*maxBatch+1 {
		t.Errorf("%d changes are pending", s.waiting())
	}
	l.leave <- struct{}{}
	<-l.enter
	l.leave <- struct{}{}
	<-l.enter // what was in the batch is answered by now
	l.mu.Lock()
	if failed[2][nil] != 1 || failed[3][nil] != 2 {
		t.Errorf("others wait behind the user with many changes: %v", failed)
	}
	l.mu.Unlock()
	go s.close()
	l.leave <- struct{}{}
	<-l.enter
	l.leave <- struct{}{}
	<-s.done
	if failed[1][fair.ErrOwnerLimit] != 5 || failed[1][fair.ErrTotalLimit] != 2 || failed[1][nil] != 2*maxBatch-1 || len(failed[2]) != 1 || len(failed[3]) != 1 {
		t.Errorf("%v", failed)
	}
	if !slices.Equal(l.batches, []int{1, maxBatch, maxBatch, 1}) {
		t.Errorf("batches: %v", l.batches)
	}
}
