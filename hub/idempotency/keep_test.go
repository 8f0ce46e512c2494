package idempotency

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

var quiet = slog.New(slog.DiscardHandler)

// aged is a table whose clock is in the test's hands.
type aged struct {
	*Table
	publisher
	time time.Time
}

func newAged(o Options) *aged {
	a := &aged{time: time.Unix(1e9, 0)}
	o.Now = func() time.Time { return a.time }
	if o.Logger == nil {
		o.Logger = quiet
	}
	a.Table = New(o)
	return a
}

// add makes calls of an owner, with the keys from to to-1, and returns how many of them were published.
func (a *aged) add(owner string, from, to int) int {
	before := a.n
	for i := from; i < to; i++ {
		_, _ = do(a.Table, &a.publisher, Call{Owner: owner, Scope: owner, Key: fmt.Sprint(i)})
	}
	return a.n - before
}

// When all owners together have too many receipts, those who have most lose theirs, however old those of others are.
func TestLargestLoses(t *testing.T) {
	a := newAged(Options{MaxKeys: 100})
	a.add("ada", 0, 5) // the oldest of all
	for i := range 4 {
		a.add(fmt.Sprint("busy", i), 0, 24) // within a quarter, so that nothing but the sum is too much
	}
	if s := a.Stats(); s.Kept != 100 || s.Forgotten != 1 {
		t.Fatalf("%+v", s)
	}
	a.add("bob", 0, 20)
	if n := a.add("ada", 0, 5); n != 0 {
		t.Errorf("%d of ada's 5 were forgotten", n)
	}
	for _, owner := range []string{"bob", "busy0", "busy1", "busy2", "busy3"} { // 95 for five of them
		if n := a.owners.byName[owner].n; n != 19 {
			t.Errorf("%s has %d, not 19", owner, n)
		}
	}
	if n := a.add("bob", 1, 20); n != 0 {
		t.Errorf("%d of bob's newest 19 were forgotten", n)
	}
	a.check(t)
}

// check compares the lists of owners with what they have.
func (t *Table) check(tt *testing.T) {
	tt.Helper()
	receipts, listed, most := 0, 0, 0
	for _, o := range t.owners.byName {
		receipts += o.n
		most = max(most, o.n)
		n := 0
		for r := o.own.first; r != nil; r = r.inOwn.after {
			n++
		}
		if n != o.n || n == 0 {
			tt.Errorf("%q has %d receipts in its list, and counts %d", o.name, n, o.n)
		}
	}
	for n, l := range t.owners.bySize {
		for o := l.first; o != nil; o = o.inSize.after {
			listed++
			if o.n != n || t.owners.byName[o.name] != o {
				tt.Errorf("%q with %d receipts is in the list of those with %d", o.name, o.n, n)
			}
		}
	}
	if receipts != len(t.receipts) || listed != len(t.owners.byName) || most != t.owners.most {
		tt.Errorf("%d receipts of %d, %d owners of %d, the largest has %d, not %d", receipts, len(t.receipts), listed, len(t.owners.byName), most, t.owners.most)
	}
}

// The lists stay right while owners of all sizes come and go.
func TestOwnersOfAllSizes(t *testing.T) {
	a := newAged(Options{MaxKeys: 200, Window: time.Second})
	for i := range 3000 {
		owner := i % 7 * (i % 11)
		a.add(fmt.Sprint(owner), i, i+1)
		a.time = a.time.Add(time.Duration(i%13) * time.Millisecond)
		if i%100 == 0 {
			a.check(t)
		}
	}
	a.time = a.time.Add(time.Hour)
	for range 200 {
		a.Stats()
	}
	if a.check(t); len(a.receipts) != 0 || a.owners.most != 0 || a.owners.largest() != nil {
		t.Errorf("%d receipts are left", len(a.receipts))
	}
}

// A burst that is too old is forgotten in small steps, and none of it is used meanwhile, nor counted as forgotten early.
func TestExpiryInSteps(t *testing.T) {
	const n = 1000
	a := newAged(Options{MaxKeys: 4 * n, Window: time.Minute})
	a.add("ada", 0, n)
	a.time = a.time.Add(time.Minute)
	for i := 1; i <= 10; i++ {
		a.add("bob", i, i+1)
		if kept := len(a.receipts); kept != n+i-i*expiresPerCall {
			t.Fatalf("after %d calls %d receipts are there", i, kept)
		}
	}
	if published := a.add("ada", n-10, n); published != 10 {
		t.Errorf("%d of 10 receipts that were too old were used", 10-published)
	}
	if s := a.Stats(); s.Forgotten != 0 || s.Replayed != 0 {
		t.Errorf("%+v", s)
	}
	a.check(t)
}

// What is too old goes first when there is too much, and does not count.
func TestOldGoFirst(t *testing.T) {
	const n = 100
	a := newAged(Options{MaxKeys: n, Window: time.Minute})
	for i := range 4 {
		a.add(fmt.Sprint("early", i), 0, n/4)
	}
	a.time = a.time.Add(time.Minute)
	for i := range 4 {
		a.add(fmt.Sprint("late", i), 0, n/4)
	}
	if s := a.Stats(); s.Kept != n || s.Forgotten != 0 {
		t.Errorf("%+v", s)
	}
	a.check(t)
}

// The log says it when receipts are forgotten early: once, whatever the rate.
func TestForgottenIsLogged(t *testing.T) {
	var log bytes.Buffer
	a := newAged(Options{MaxKeys: 40, Window: time.Minute, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	a.add("ada", 0, 10)
	if log.Len() > 0 {
		t.Fatalf("nothing is forgotten yet: %s", &log)
	}
	a.time = a.time.Add(3 * time.Second)
	a.add("ada", 10, 100)
	if s := log.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "level=WARN") || !strings.Contains(s, "owner=ada after=3s window=1m0s keys=40") {
		t.Errorf("the log: %s", s)
	}
}

// A call that waits counts as replayed when it gets the result of another one, and not if it has to publish itself.
func TestReplayedIsWhatWasReplayed(t *testing.T) {
	tab := New(Options{})
	c := Call{Key: "k"}
	var first func(hub.Receipt, error)
	ended := make(chan error, 2)
	tab.Do(&c, func(done func(hub.Receipt, error)) { first = done }, func(hub.Receipt, error) {})
	for range 2 {
		tab.Do(&c, func(done func(hub.Receipt, error)) { done(hub.Receipt{}, nil) }, func(_ hub.Receipt, err error) { ended <- err })
	}
	if s := tab.Stats(); s.Replayed != 0 {
		t.Errorf("before there is a result: %+v", s)
	}
	first(hub.Receipt{}, hub.ErrUnacknowledged)
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if s := tab.Stats(); s.Replayed != 1 || s.Kept != 1 {
		t.Errorf("%+v", s)
	}
}
