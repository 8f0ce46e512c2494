package revoke

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// clocks are the two clocks of a table.
type clocks struct {
	wall time.Time
	run  time.Duration
}

// pass lets time pass on both.
func (c *clocks) pass(d time.Duration) { c.wall, c.run = c.wall.Add(d), c.run+d }

func newTable() (*Table, *clocks) {
	c := &clocks{wall: time.Unix(1e9, 0)}
	return New(func() time.Time { return c.wall }, func() time.Duration { return c.run }), c
}

func mustAdd(t *testing.T, table *Table, e Entry) {
	t.Helper()
	if err := table.Add(e, 100); err != nil {
		t.Fatal(err)
	}
}

func TestHas(t *testing.T) {
	table, c := newTable()
	if table.Has(1, 1, 0) {
		t.Error("an empty table has a token")
	}
	keep := c.wall.Add(time.Hour)
	mustAdd(t, table, Entry{Kind: User, Hash: 1, IssuedUntil: 100, Keep: keep})
	mustAdd(t, table, Entry{Kind: ID, Hash: 2, Keep: keep})
	for _, k := range []struct {
		user, id uint64
		issued   int64
		want     bool
	}{
		{1, 0, 100, true}, {1, 0, 101, false}, {1, 0, 0, true}, {1, 7, 50, true}, {2, 0, 50, false}, {0, 0, 0, false},
		{0, 2, 1e9, true}, {3, 2, 0, true}, {2, 1, 0, false}, {0, 1, 0, false},
	} {
		if got := table.Has(k.user, k.id, k.issued); got != k.want {
			t.Errorf("%+v: %v", k, got)
		}
	}
	mustAdd(t, table, Entry{Kind: All, Hash: 9, IssuedUntil: 50, Keep: keep})
	if !table.Has(0, 0, 50) || !table.Has(8, 8, 0) || table.Has(8, 8, 51) {
		t.Error("all tokens until a time")
	}
	mustAdd(t, table, Entry{Kind: User, Hash: 1, IssuedUntil: 90, Keep: c.wall})
	if !table.Has(1, 0, 100) || table.Len() != 3 {
		t.Error("a later revocation has taken back an earlier one")
	}
}

// Entries end when both clocks say so, whatever happens to the wall clock in between.
func TestEntriesEnd(t *testing.T) {
	table, c := newTable()
	mustAdd(t, table, Entry{Kind: ID, Hash: 1, Keep: c.wall.Add(time.Hour)})
	sweep := func() {
		c.pass(2 * time.Minute)
		mustAdd(t, table, Entry{Kind: ID, Hash: 2, Keep: c.wall.Add(1000 * time.Hour)})
	}
	c.wall = c.wall.Add(5 * time.Hour)
	sweep()
	c.wall = c.wall.Add(-5 * time.Hour)
	if !table.Has(0, 1, 0) {
		t.Error("a clock that was set forward and back has ended a revocation")
	}
	c.wall = c.wall.Add(-5 * time.Hour)
	c.pass(2 * time.Hour)
	sweep()
	if !table.Has(0, 1, 0) {
		t.Error("it has ended before the token has")
	}
	c.wall = c.wall.Add(5 * time.Hour)
	sweep()
	if table.Has(0, 1, 0) || table.Len() != 1 {
		t.Error("it has not ended")
	}
}

// A full table forgets nothing, and has room again when entries have ended.
func TestFull(t *testing.T) {
	table, c := newTable()
	for i := range 100 {
		mustAdd(t, table, Entry{Kind: ID, Hash: uint64(i + 1), Keep: c.wall.Add(time.Duration(i) * time.Hour)})
	}
	if err := table.Add(Entry{Kind: ID, Hash: 1000, Keep: c.wall.Add(time.Hour)}, 100); err == nil || !strings.Contains(err.Error(), "100 revocations") {
		t.Error(err)
	}
	mustAdd(t, table, Entry{Kind: ID, Hash: 100, Keep: c.wall.Add(time.Hour)}) // it is there
	if !table.Has(0, 1, 0) || table.Has(0, 1000, 0) {
		t.Error("a full table has changed")
	}
	c.pass(50*time.Hour + 1)
	mustAdd(t, table, Entry{Kind: ID, Hash: 1000, Keep: c.wall.Add(time.Hour)})
	if table.Len() != 50 || !table.Has(0, 1000, 0) || table.Has(0, 51, 0) || !table.Has(0, 52, 0) {
		t.Errorf("%d entries", table.Len())
	}
}

func TestRaces(t *testing.T) {
	table := New(time.Now, nil)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 1000 {
				_ = table.Add(Entry{Kind: Kind(j % 3), Hash: uint64(i*1000 + j), Keep: time.Now()}, 2000)
				table.Has(uint64(j), uint64(j), int64(j))
			}
		})
	}
	wg.Wait()
}

func BenchmarkHas(b *testing.B) {
	table := New(time.Now, nil)
	for i := range 65536 {
		_ = table.Add(Entry{Kind: ID, Hash: uint64(i + 1), Keep: time.Now().Add(time.Hour)}, 65536)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		table.Has(uint64(i), uint64(i), 0)
	}
}
