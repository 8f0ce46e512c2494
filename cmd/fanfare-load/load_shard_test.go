package main

import (
	"fmt"
	"testing"
	"time"
)

func TestMerge(t *testing.T) {
	shards := []*shard{newShard(), newShard()}
	for i := range int64(1000) {
		s := shards[i%2]
		s.recordLocked(0, (i+1)*int64(time.Millisecond))
		s.wrong++
	}
	shards[1].duplicated, shards[0].reordered = 3, 4
	h, c := merge(shards)
	want(t, "counts", c, counts{received: 1000, last: int64(time.Second), duplicated: 3, reordered: 4, wrong: 1000})
	l := latencyOf(h)
	near := func(what string, got, want float64) {
		t.Helper()
		if got < want*0.998 || got > want*1.002 {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	near("min", l.Min, 1e3)
	near("50 %", l.P50, 500e3)
	near("90 %", l.P90, 900e3)
	near("99 %", l.P99, 990e3)
	near("99.9 %", l.P999, 999e3)
	near("max", l.Max, 1000e3)
	near("mean", l.Mean, 500.5e3)
	if latencyOf(newHistogram()) != nil {
		t.Error("latency of nothing")
	}
	// What cannot be is not lost.
	s := newShard()
	s.recordLocked(5, 3)
	s.recordLocked(0, 1<<62)
	want(t, "recorded", s.hist.TotalCount(), 2)
}

func TestBroadcastShard(t *testing.T) {
	c := broadcastShard{readers: 3, rings: [][]slot{make([]slot, 2)}}
	credit := func(n uint64, done bool) {
		t.Helper()
		want(t, fmt.Sprintf("message %d is done", n), c.credit(0, n), done)
	}
	credit(0, false)
	credit(0, false)
	credit(1, false)
	credit(0, true)
	credit(2, false) // the slot of message 0
	credit(1, false)
	// One who has 0 to 2 goes: of message 1 one of two is left, of message 2 none.
	var done []uint64
	c.leave([]sequence{{next: 3}}, func(_ int, n uint64) { done = append(done, n) })
	want(t, "done by leaving", len(done), 0)
	credit(1, true)
	credit(2, false)
	// One who has nothing of message 2 goes: the other has it.
	c.leave([]sequence{{next: 2}}, func(_ int, n uint64) { done = append(done, n) })
	want(t, "done by leaving", fmt.Sprint(done), "[2]")
}
