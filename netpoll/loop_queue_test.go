//go:build linux

package netpoll

import (
	"math/rand/v2"
	"testing"
	"time"
)

// numbered is a turner that is told apart by its address.
type numbered struct{ n int }

func (*numbered) turn(*worker) {}

// The queue gives out what it got, in order, counts drainers as they come and go,
// and asks for one whenever somebody waits and there is none.
func TestReadyAgainstModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	var r ready
	var last progress
	var want []*numbered
	drainers := 0
	for step := range 300_000 {
		grow := step/10_000%3 != 2 // bursts of several blocks, and their end
		switch op := rnd.IntN(20); {
		case op < 10 && grow || op < 4:
			item := &numbered{step}
			want = append(want, item)
			if r.push(item, 0).submitted {
				if drainers != 0 {
					t.Fatal("push asks for a drainer beside another")
				}
				drainers++
			} else if drainers == 0 {
				t.Fatal("push does not ask for a drainer")
			}
		case op < 19 && drainers > 0:
			got := r.pop()
			if len(want) == 0 {
				if drainers--; got != nil {
					t.Fatal("pop from an empty queue")
				}
				break
			}
			if got != turner(want[0]) {
				t.Fatalf("step %d: not the first in the queue", step)
			}
			want = want[1:]
		case op == 19:
			submit, active := r.check(&last)
			drainers += submit
			if submit > len(want) {
				t.Fatalf("%d drainers for %d that wait", submit, len(want))
			}
			if !active && (drainers > 0 || len(want) > 0) {
				t.Fatal("not active though there is work")
			}
			if rnd.IntN(2) == 0 {
				r.unsubmit(submit)
				drainers -= submit
			}
		}
		if waiting, _, d := r.wait(0); waiting != len(want) || d != drainers {
			t.Fatalf("step %d: %d wait for %d drainers, want %d and %d", step, waiting, d, len(want), drainers)
		}
		if r.active() != (drainers > 0 || len(want) > 0) {
			t.Fatal("active is wrong")
		}
	}
}

// The number of further drainers grows while those there are do not get on, and
// starts afresh when they do.
func TestReadyCheckGrows(t *testing.T) {
	var r ready
	var last progress
	for range 1000 {
		r.push(&numbered{}, 0)
	}
	r.pop()
	r.check(&last) // the first look has nothing to compare with
	r.unsubmit(r.drainers - 1)
	r.boost = 0
	drainers := 1
	for _, want := range []int{1, 4, 16, 64} {
		submit, active := r.check(&last)
		if submit != want || !active {
			t.Errorf("%d more drainers, active %v; want %d", submit, active, want)
		}
		drainers += submit
	}
	for range 2*drainers + 1 {
		r.pop()
	}
	if submit, _ := r.check(&last); submit != 0 {
		t.Errorf("%d more drainers though all get on", submit)
	}
	if submit, _ := r.check(&last); submit != 1 {
		t.Errorf("%d more drainers at the first look without progress, want 1", submit)
	}
}

// LongestWait is the age of the first in the queue.
func TestReadyWait(t *testing.T) {
	var r ready
	r.push(&numbered{}, ^uint32(0)-5) // the clock goes round
	r.push(&numbered{}, 3)
	if n, longest, _ := r.wait(10); n != 2 || longest != 16 {
		t.Errorf("%d wait, for %d ms; want 2, 16", n, longest)
	}
	r.pop()
	if n, longest, _ := r.wait(10); n != 1 || longest != 7 {
		t.Errorf("%d wait, for %d ms; want 1, 7", n, longest)
	}
	if _, longest, _ := r.wait(2); longest != 0 {
		t.Errorf("a wait of %d ms before it began", longest)
	}
}

func TestReadyAllocations(t *testing.T) {
	var r ready
	items := make([]numbered, 2*blockSize) // the queue moves from block to block
	for i := range items[:blockSize] {
		r.push(&items[i], 0)
	}
	n := testing.AllocsPerRun(100, func() {
		for i := range items {
			r.push(&items[i], 0)
			r.pop()
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A held loop is let go by whoever empties its queue, by the monitor's look, and
// by the end of the engine; and only while there is somebody to do so is it held.
func TestHold(t *testing.T) {
	queue := func(n int) *ready {
		r := &ready{slack: make(chan struct{}, 1)}
		for range n {
			r.push(&numbered{}, 0)
		}
		return r
	}
	slack := func(r *ready) bool {
		select {
		case <-r.slack:
			return true
		case <-time.After(10 * time.Second):
			return false
		}
	}
	ends := []struct {
		name string
		end  func(*ready)
	}{
		{"empty queue", func(r *ready) {
			for r.pop() != nil {
			}
		}},
		{"monitor", func(r *ready) { r.check(new(progress)) }},
		{"end", (*ready).end},
	}
	for _, tt := range ends {
		t.Run(tt.name, func(t *testing.T) {
			r := queue(3)
			if !r.hold() {
				t.Fatal("not held though some wait and a drainer runs")
			}
			if r.pop(); len(r.slack) != 0 {
				t.Fatal("let go though some wait")
			}
			go tt.end(r)
			if !slack(r) {
				t.Fatal("not let go")
			}
		})
	}
	if r := queue(0); r.hold() {
		t.Error("held at an empty queue")
	}
	r := queue(3)
	r.unsubmit(1)
	if r.hold() {
		t.Error("held without a drainer")
	}
	r = queue(3)
	r.end()
	if r.hold() {
		t.Error("held after the end")
	}
}

// A drainer that lets its loop go does not leave if the loop has filled the queue.
func TestDrainerStays(t *testing.T) {
	r := &ready{slack: make(chan struct{}, 1)}
	r.push(&numbered{}, 0)
	if !r.hold() {
		t.Fatal("not held")
	}
	r.pop()
	done := make(chan turner)
	go func() { done <- r.pop() }()
	<-r.slack
	if p := r.push(&numbered{}, 0); p.submitted {
		if <-done != nil {
			t.Error("it stayed although another was asked for")
		}
	} else if <-done == nil {
		t.Error("it left although none was asked for")
	}
}
