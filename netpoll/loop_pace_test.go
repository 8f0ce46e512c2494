//go:build linux

package netpoll

import (
	"testing"
	"time"
)

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
