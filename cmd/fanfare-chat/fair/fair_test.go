package fair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func popAll(q *Queue[string, int]) (s string) {
	for {
		k, v, ok := q.Pop(nil)
		if !ok {
			return s
		}
		s += fmt.Sprintf("%s%d ", k, v)
	}
}

// An owner with many values gets no more turns than others.
func TestQueueTakesTurns(t *testing.T) {
	q := NewQueue[string, int](10, 100)
	for i := range 4 {
		_, _, _ = q.Push("a", i)
	}
	for _, k := range []string{"b", "c", "b"} {
		_, _, _ = q.Push(k, 0)
	}
	if got := popAll(q); got != "a0 b0 c0 a1 b0 a2 a3 " {
		t.Errorf("the order is %s", got)
	}
	if q.Len() != 0 || q.Owners() != 0 || q.next != nil {
		t.Errorf("an empty queue has %d values, %d owners, next %v", q.Len(), q.Owners(), q.next)
	}
	_, _, _ = q.Push("z", 9)
	if got := popAll(q); got != "z9 " {
		t.Errorf("after it was empty: %s", got)
	}
}

func TestQueueLimits(t *testing.T) {
	q := NewQueue[string, int](3, 5)
	for i := range 3 {
		_, _, _ = q.Push("a", i)
	}
	if _, _, err := q.Push("a", 3); !errors.Is(err, ErrOwnerLimit) {
		t.Errorf("beyond the owner's limit: %v", err)
	}
	_, _, _ = q.Push("b", 0)
	_, _, _ = q.Push("c", 0)
	if shed, was, err := q.Push("d", 0); shed != 2 || !was || err != nil {
		t.Errorf("shed %d, %v, %v; want the newest value of the heaviest owner", shed, was, err)
	}
	if _, was, err := q.Push("b", 1); was || !errors.Is(err, ErrTotalLimit) {
		t.Errorf("an owner that would become the heaviest: shed %v, %v; want ErrTotalLimit", was, err)
	}
	if got := popAll(q); got != "a0 b0 c0 d0 a1 " {
		t.Errorf("the order is %s", got)
	}
}

func TestQueuePassesAndRemoves(t *testing.T) {
	q := NewQueue[string, int](9, 9)
	for i := range 3 {
		_, _, _ = q.Push("a", i)
		_, _, _ = q.Push("b", i)
	}
	if k, v, ok := q.Pop(func(k string) bool { return k == "b" }); k != "b" || v != 0 || !ok {
		t.Errorf("%s %d %v", k, v, ok)
	}
	if _, _, ok := q.Pop(func(string) bool { return false }); ok {
		t.Error("Pop returns a value of an owner that may not have a turn")
	}
	for _, v := range []int{1, 2} {
		if !q.Remove("b", func(have int) bool { return have == v }) {
			t.Errorf("b%d is not there", v)
		}
	}
	if q.Remove("b", func(int) bool { return true }) || q.Remove("a", func(v int) bool { return v == 7 }) {
		t.Error("Remove reports a value that is not in the queue")
	}
	if got := popAll(q); got != "a0 a1 a2 " {
		t.Errorf("the order is %s", got)
	}
}

// An owner that floods a semaphore delays others by one turn.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewSemaphore[string](2, 1, 8, 16)
		var order []string
		leaves := make(chan func(), 20)
		enter := func(k string) {
			go func() {
				release, err := g.Acquire(t.Context(), k)
				if err != nil {
					order = append(order, k+" refused")
					return
				}
				order = append(order, k)
				leaves <- release
			}()
			synctest.Wait()
		}
		for range 10 {
			enter("flood")
		}
		enter("b")
		enter("c")
		for range 10 {
			(<-leaves)()
			synctest.Wait()
		}
		want := []string{"flood", "flood refused", "b", "flood", "c"}
		if !slices.Equal(order[:len(want)], want) || len(order) != 12 || g.Waiting() != 0 || len(leaves) != 1 {
			t.Errorf("order %q, %d waiting, %d holders", order, g.Waiting(), len(leaves))
		}
		(<-leaves)()
		if len(g.inside) != 0 || g.free != 2 {
			t.Errorf("holders %v, %d places are free", g.inside, g.free)
		}
	})
}

func TestGateGivesUp(t *testing.T) {
	g := NewSemaphore[int](1, 1, 1, 2)
	release, err := g.Acquire(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("gone")
	cancel(why)
	if _, err := g.Acquire(ctx, 2); !errors.Is(err, why) || g.Waiting() != 0 {
		t.Errorf("%v, %d wait", err, g.Waiting())
	}
	release()
	release() // once more is of no effect
	if release, err = g.Acquire(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	release()
	if g.free != 1 {
		t.Errorf("%d places are free", g.free)
	}
}

// TryAcquire returns a place at once, or none.
func TestGateTry(t *testing.T) {
	g := NewSemaphore[int](3, 2, 0, 0)
	var leaves []func()
	for _, c := range []struct {
		owner int
		want  error
	}{{1, nil}, {1, nil}, {1, ErrOwnerLimit}, {2, nil}, {3, ErrTotalLimit}} {
		release, err := g.TryAcquire(c.owner)
		if err != c.want {
			t.Fatalf("%d: %v, want %v", c.owner, err, c.want)
		}
		leaves = append(leaves, release)
	}
	leaves[0]()
	leaves[0]() // once more is of no effect
	if _, err := g.TryAcquire(3); err != nil || g.free != 0 {
		t.Errorf("%v; %d places are free", err, g.free)
	}
}

func TestRate(t *testing.T) {
	r := NewLimiter[int](3, time.Second)
	now := time.UnixMilli(1000)
	take := func(k int, most time.Duration) string {
		before := r.Wait(k, now)
		wait, ok := r.Take(k, now, most)
		if before != wait {
			t.Errorf("Take returns %v, and Wait returned %v before", wait, before)
		}
		return fmt.Sprint(wait, ok)
	}
	for range 3 {
		if got := take(1, 0); got != "0s true" {
			t.Fatal(got)
		}
	}
	if got := take(1, 0); got != "1s false" {
		t.Error(got)
	}
	if got := take(2, 0); got != "0s true" {
		t.Errorf("another: %s", got)
	}
	if now = now.Add(700 * time.Millisecond); take(1, 0) != "300ms false" {
		t.Error("a token after 0.7 s")
	}
	if got := take(1, time.Second); got != "300ms true" {
		t.Errorf("for a waiting owner: %s", got)
	}
	if got := take(1, time.Second); got != "1.3s false" {
		t.Errorf("for a waiting owner, once more: %s", got)
	}
	if now = now.Add(1300 * time.Millisecond); take(1, 0) != "0s true" || take(1, 0) != "1s false" {
		t.Error("a further token after 2 s")
	}
	r.Reset(1)
	if take(1, 0) != "0s true" {
		t.Error("Reset does not fill the bucket")
	}
}

func TestNoRate(t *testing.T) {
	var r *Limiter[int]
	if wait, ok := r.Take(1, time.Now(), 0); wait != 0 || !ok || r.Wait(1, time.Now()) != 0 {
		t.Errorf("%v %v", wait, ok)
	}
}

// The memory of a limiter is bounded. It forgets owners with fewer used tokens first.
func TestRateForgets(t *testing.T) {
	r := NewLimiter[int](3, time.Second)
	now := time.UnixMilli(1000)
	for range 3 {
		r.Take(-1, now, 0)
	}
	for i := range 3 * MaxOwners {
		r.Take(i, now, 0)
	}
	if n := r.Owners(); n > MaxOwners {
		t.Errorf("%d owners are tracked", n)
	}
	if _, ok := r.Take(-1, now, 0); ok {
		t.Error("an owner without tokens was forgotten")
	}
}
