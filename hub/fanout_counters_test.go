package hub

import (
	"testing"
	"unsafe"
)

// Counters of different loops are in different cache lines, wherever the hub is in memory, and Stats adds them up.
func TestPassCounters(t *testing.T) {
	const line = 64
	var two [2]passCounters
	end := unsafe.Offsetof(two[0].delivered) + unsafe.Sizeof(two[0].delivered)
	if gap := unsafe.Sizeof(two[0]) - end; gap < line {
		t.Errorf("%d bytes between the counters of two loops; a cache line has %d", gap, line)
	}
	m := new(manual)
	h := New(Options{Workers: m.on(3)})
	for i := range 6 {
		f := &fake{loop: i % 3}
		f.join(t, h, "x")
	}
	publish(t, h, "x", 1)
	m.runAll()
	for loop := range 3 {
		if n := h.passes[loop].delivered.Load(); n != 2 {
			t.Errorf("loop %d has delivered %d, not 2", loop, n)
		}
	}
	if s := h.Stats(); s.Delivered != 6 || s.FanOut.Count() != 3 {
		t.Errorf("%d deliveries in %d passes", s.Delivered, s.FanOut.Count())
	}
}
