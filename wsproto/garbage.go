package wsproto

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// CollectOften makes the garbage collector run earlier than by default, until restore is called: when the heap has grown by
// a fifth. So the garbage of handshakes does not stay in memory beside many idle connections. While it
// would run all the time, because the heap is small and many clients connect, the heap may grow by 4 MiB. The
// environment variable GOGC overrides it.
func CollectOften() (restore func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	t := &gcTarget{percent: gcPercent}
	before := debug.SetGCPercent(gcPercent)
	t.quiet = time.AfterFunc(gcQuiet, t.rest)
	t.follow()
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.ended = true
		t.quiet.Stop()
		debug.SetGCPercent(before)
	}
}

const (
	gcPercent = 20
	gcLeast   = 4 << 20 // bytes between two collections of which the second comes within gcSoon
	gcMost    = 400     // percent
	gcSoon    = 250 * time.Millisecond
	gcQuiet   = time.Second // after so much without a collection the heap may grow by no more than gcPercent
)

// gcTarget adapts the collector's target after each collection to what has survived that.
type gcTarget struct {
	mu      sync.Mutex
	percent int
	last    time.Time // of the collections
	quiet   *time.Timer
	ended   bool
}

// gcMark is unreachable at once, so each collection finalizes one.
type gcMark struct{ target *gcTarget }

// follow has adapt called after the next collection.
func (t *gcTarget) follow() {
	runtime.SetFinalizer(&gcMark{t}, func(m *gcMark) {
		if m.target.adapt(survivors(), time.Now()) {
			m.target.follow()
		}
	})
}

// adapt sets the target after a collection that has found a heap of that many bytes. It reports false when the target is not
// ours any more.
func (t *gcTarget) adapt(heap uint64, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	if now.Sub(t.last) < gcSoon {
		t.setLocked(gcPercentFor(heap))
	}
	t.last = now
	t.quiet.Reset(gcQuiet)
	return true
}

// rest collects the garbage of a busy time, and gives its memory back to the system.
func (t *gcTarget) rest() {
	t.mu.Lock()
	busy := !t.ended && t.percent > gcPercent
	if busy {
		t.setLocked(gcPercent)
	}
	t.mu.Unlock()
	if busy {
		debug.FreeOSMemory()
	}
}

// setLocked sets the target. That stops the program for a moment, so small differences do not count.
func (t *gcTarget) setLocked(percent int) {
	if d := percent - t.percent; d > t.percent/4 || d < -t.percent/4 || d != 0 && percent == gcPercent {
		t.percent = percent
		debug.SetGCPercent(percent)
	}
}

// gcPercentFor returns the growth in percent after which a heap of that many bytes is collected in a busy time.
func gcPercentFor(heap uint64) int {
	return int(min(max(gcPercent, 100*gcLeast/max(heap, 1)), gcMost))
}

// survivors returns the bytes that the last collection found alive, and what it had to scan besides, which its target
// counts, too.
func survivors() (n uint64) {
	all := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(all)
	for _, s := range all {
		if s.Value.Kind() == metrics.KindUint64 {
			n += s.Value.Uint64()
		}
	}
	return n
}
