package chat

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/hub"
)

// ledger is a store that counts, and waits where a test wants it to.
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

// While one batch is written the next gathers; all are announced once, in order, and not
// before they are stored; and what is pending at the end is written.
func TestScribe(t *testing.T) {
	l := &ledger{enter: make(chan struct{}), leave: make(chan struct{})}
	var announced []int64
	s := newScribe(l, func() time.Time { return time.UnixMilli(7) }, func(m *store.Message) hub.Receipt {
		l.mu.Lock()
		defer l.mu.Unlock()
		if m.Rev > l.rev || m.Sent.UnixMilli() != 7 {
			t.Errorf("%+v is announced, but the store is at %d", m, l.rev)
		}
		announced = append(announced, m.Rev)
		return hub.Receipt{Receivers: 1}
	})
	var writers sync.WaitGroup
	write := func(text string) {
		writers.Go(func() {
			w := s.write(store.Change{Text: text})
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
	if !settles(func() bool { return len(s.pending) == 10 }) {
		t.Fatal("they do not gather")
	}
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
	if !slices.IsSorted(announced) || len(announced) != 10 {
		t.Errorf("announced: %v", announced)
	}
	if w := s.write(store.Change{}); !errors.Is(w.Err, errClosed) {
		t.Errorf("after the end: %v", w.Err)
	}
}
