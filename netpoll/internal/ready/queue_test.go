//go:build linux

package ready

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// numbered is told apart by its address.
type numbered struct{ n int }

// The queue gives out what it got, in order, counts drainers as they come and go,
// and asks for one whenever somebody waits and there is none.
func TestReadyAgainstModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	var r Queue[*numbered]
	var last Progress
	var want []*numbered
	drainers := 0
	for step := range 300_000 {
		grow := step/10_000%3 != 2 // bursts of several blocks, and their end
		switch op := rnd.IntN(20); {
		case op < 10 && grow || op < 4:
			item := &numbered{step}
			want = append(want, item)
			if r.Push(item, 0).Submitted {
				if drainers != 0 {
					t.Fatal("push asks for a drainer beside another")
				}
				drainers++
			} else if drainers == 0 {
				t.Fatal("push does not ask for a drainer")
			}
		case op < 19 && drainers > 0:
			got := r.Pop()
			if len(want) == 0 {
				if drainers--; got != nil {
					t.Fatal("pop from an empty queue")
				}
				break
			}
			if got != want[0] {
				t.Fatalf("step %d: not the first in the queue", step)
			}
			want = want[1:]
		case op == 19:
			submit, active := r.Check(&last)
			drainers += submit
			if submit > len(want) {
				t.Fatalf("%d drainers for %d that wait", submit, len(want))
			}
			if !active && (drainers > 0 || len(want) > 0) {
				t.Fatal("not active though there is work")
			}
			if rnd.IntN(2) == 0 {
				r.Unsubmit(submit)
				drainers -= submit
			}
		}
		if s := r.State(0); s.Waiting != len(want) || s.Drainers != drainers {
			t.Fatalf("step %d: %+v, want %d and %d drainers", step, s, len(want), drainers)
		}
		if r.Active() != (drainers > 0 || len(want) > 0) {
			t.Fatal("active is wrong")
		}
	}
}

// The number of further drainers grows while those there are do not get on, and
// starts afresh when they do.
func TestReadyCheckGrows(t *testing.T) {
	var r Queue[*numbered]
	var last Progress
	for range 1000 {
		r.Push(&numbered{}, 0)
	}
	r.Pop()
	r.Check(&last) // the first look has nothing to compare with
	r.Unsubmit(r.drainers - 1)
	r.boost = 0
	drainers := 1
	for _, want := range []int{1, 4, 16, 64} {
		submit, active := r.Check(&last)
		if submit != want || !active {
			t.Errorf("%d more drainers, active %v; want %d", submit, active, want)
		}
		drainers += submit
	}
	for range 2*drainers + 1 {
		r.Pop()
	}
	if submit, _ := r.Check(&last); submit != 0 {
		t.Errorf("%d more drainers though all get on", submit)
	}
	if submit, _ := r.Check(&last); submit != 1 {
		t.Errorf("%d more drainers at the first look without Progress, want 1", submit)
	}
}

// LongestWait is the age of the first in the queue.
func TestReadyWait(t *testing.T) {
	var r Queue[*numbered]
	r.Push(&numbered{}, ^uint32(0)-5) // the clock goes round
	r.Push(&numbered{}, 3)
	if s := r.State(10); s.Waiting != 2 || s.Longest != 16 {
		t.Errorf("%+v, want 2 that wait for 16 ms", s)
	}
	r.Pop()
	if s := r.State(10); s.Waiting != 1 || s.Longest != 7 {
		t.Errorf("%+v, want 1 that wait for 7 ms", s)
	}
	if s := r.State(2); s.Longest != 0 {
		t.Errorf("a wait of %d ms before it began", s.Longest)
	}
}

// One of measureEvery items is measured, however long the queue is, and each with its own wait.
func TestReadyMeasuresWaits(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	var now, want time.Duration
	r := Queue[*numbered]{Now: func() time.Duration { return now }}
	var pushed []time.Duration
	pushes, measured := 0, uint64(0)
	pop := func() {
		if pops := pushes - len(pushed); pops%measureEvery == 0 {
			want += now - pushed[0]
			measured++
		}
		r.Pop()
		pushed = pushed[1:]
	}
	for step := range 100_000 {
		now += time.Duration(rnd.IntN(1000))
		if grow := step/5000%2 == 0; rnd.IntN(10) < 8 == grow || len(pushed) == 0 {
			r.Push(&numbered{}, 0)
			pushed = append(pushed, now)
			pushes++
		} else {
			pop()
		}
	}
	for len(pushed) > 0 {
		pop()
	}
	if s := r.Waits.Snapshot(); s.Count() != measured || s.Sum != want || measured < uint64(pushes/measureEvery) {
		t.Errorf("%d waits of %v, want %d of %v, from %d pushes", s.Count(), s.Sum, measured, want, pushes)
	}
}

func TestReadyAllocations(t *testing.T) {
	r := Queue[*numbered]{Now: func() time.Duration { return 0 }}
	items := make([]numbered, 2*blockSize) // the queue moves from block to block
	for i := range items[:blockSize] {
		r.Push(&items[i], 0)
	}
	n := testing.AllocsPerRun(100, func() {
		for i := range items {
			r.Push(&items[i], 0)
			r.Pop()
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A held loop is let go by whoever empties its queue, by the monitor's look, and
// by the end of the engine; and only while there is somebody to do so is it held.
func TestHold(t *testing.T) {
	queue := func(n int) *Queue[*numbered] {
		r := &Queue[*numbered]{Slack: make(chan struct{}, 1)}
		for range n {
			r.Push(&numbered{}, 0)
		}
		return r
	}
	slack := func(r *Queue[*numbered]) bool {
		select {
		case <-r.Slack:
			return true
		case <-time.After(10 * time.Second):
			return false
		}
	}
	ends := []struct {
		name string
		end  func(*Queue[*numbered])
	}{
		{"empty queue", func(r *Queue[*numbered]) {
			for r.Pop() != nil {
			}
		}},
		{"monitor", func(r *Queue[*numbered]) { r.Check(new(Progress)) }},
		{"end", (*Queue[*numbered]).End},
	}
	for _, tt := range ends {
		t.Run(tt.name, func(t *testing.T) {
			r := queue(3)
			if !r.Hold() {
				t.Fatal("not held though some wait and a drainer runs")
			}
			if r.Pop(); len(r.Slack) != 0 {
				t.Fatal("let go though some wait")
			}
			go tt.end(r)
			if !slack(r) {
				t.Fatal("not let go")
			}
		})
	}
	if r := queue(0); r.Hold() {
		t.Error("held at an empty queue")
	}
	r := queue(3)
	r.Unsubmit(1)
	if r.Hold() {
		t.Error("held without a drainer")
	}
	r = queue(3)
	r.End()
	if r.Hold() {
		t.Error("held after the end")
	}
	var last Progress
	r = queue(100)
	for want := 1; want <= boostWhileHeld; want *= 4 {
		if !r.Hold() {
			t.Fatalf("not held before the look that adds %d drainers", want)
		}
		if n, _ := r.Check(&last); n != want {
			t.Fatalf("a look without progress adds %d drainers, want %d", n, want)
		}
		<-r.Slack
	}
	if r.Hold() {
		t.Error("held after three looks without progress")
	}
	last = Progress{}
	r = queue(9)
	for range 8 {
		r.Pop()
	}
	if n, _ := r.Check(&last); n != 0 || !r.Hold() {
		t.Errorf("not held after a look that has found progress and added %d drainers", n)
	}
}

// A drainer that lets its loop go does not leave if the loop has filled the queue.
func TestDrainerStays(t *testing.T) {
	r := &Queue[*numbered]{Slack: make(chan struct{}, 1)}
	r.Push(&numbered{}, 0)
	if !r.Hold() {
		t.Fatal("not held")
	}
	r.Pop()
	done := make(chan *numbered)
	go func() { done <- r.Pop() }()
	<-r.Slack
	if p := r.Push(&numbered{}, 0); p.Submitted {
		if <-done != nil {
			t.Error("it stayed although another was asked for")
		}
	} else if <-done == nil {
		t.Error("it left although none was asked for")
	}
}

// turner has a method, as the items of the engine's queues.
type turner interface{ turn() }

func (*numbered) turn() {}

// BenchmarkReady is one item through a queue that holds some others.
func BenchmarkReady(b *testing.B) {
	for _, waiting := range []int{0, 1, 1000} {
		b.Run(fmt.Sprintf("%d", waiting), func(b *testing.B) {
			began := time.Now()
			r := Queue[turner]{Now: func() time.Duration { return time.Since(began) }}
			item := turner(new(numbered))
			for range waiting {
				r.Push(item, 0)
			}
			b.ReportAllocs()
			for b.Loop() {
				r.Push(item, 0)
				r.Pop()
			}
		})
	}
}
