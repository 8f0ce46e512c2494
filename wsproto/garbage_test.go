package wsproto

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

func TestGCPercentFor(t *testing.T) {
	for heap, want := range map[uint64]int{0: 400, 1 << 20: 400, 2 << 20: 200, 4 << 20: 100, 10 << 20: 40, 20 << 20: 20, 1 << 30: 20} {
		if got := gcPercentFor(heap); got != want {
			t.Errorf("%d bytes: %d percent, want %d", heap, got, want)
		}
	}
}

// The target follows the heap while collections come often, and is a fifth in a quiet time.
func TestCollectOften(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(123)
	defer debug.SetGCPercent(before)
	restore := CollectOften()
	percent := func() int {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(s)
		return int(s[0].Value.Uint64())
	}
	large := make([]byte, 200<<20)
	eventually(t, "a large heap is collected early", func() bool { runtime.GC(); return percent() == gcPercent })
	runtime.KeepAlive(large)
	large = nil
	eventually(t, "a small one is not collected all the time", func() bool { runtime.GC(); return percent() > gcPercent })
	eventually(t, "the garbage of a busy time does not stay", func() bool { return percent() == gcPercent })
	restore()
	if got := percent(); got != 123 {
		t.Errorf("%d percent remain", got)
	}
	runtime.GC()
	runtime.GC()
	if got := percent(); got != 123 {
		t.Errorf("%d percent after another collection", got)
	}
}

// The operator's choice counts.
func TestCollectOftenLeavesGOGC(t *testing.T) {
	t.Setenv("GOGC", "77")
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	CollectOften()()
	if got := debug.SetGCPercent(77); got != 77 {
		t.Errorf("%d percent", got)
	}
}
