package histogram

import (
	"encoding/json"
	"math"
	"sync"
	"testing"
	"time"
	"unsafe"
)

// Each bound belongs to its bucket, and what is above to the next.
func TestBuckets(t *testing.T) {
	for i := range Buckets - 1 {
		if b := Bound(i); bucketOf(b) != i || bucketOf(b+1) != i+1 {
			t.Errorf("%v is in bucket %d, and %v in %d; want %d and the next", b, bucketOf(b), b+1, bucketOf(b+1), i)
		}
	}
	if Bound(0) != 16384 || Bound(Buckets-2) < 8*time.Second || Bound(Buckets-2) > 9*time.Second {
		t.Errorf("the bounds are from %v to %v", Bound(0), Bound(Buckets-2))
	}
	for _, d := range []time.Duration{math.MinInt64, -1, 0, 1} {
		if bucketOf(d) != 0 {
			t.Errorf("%d is in bucket %d", d, bucketOf(d))
		}
	}
	if i := bucketOf(math.MaxInt64); i != Buckets-1 {
		t.Errorf("the longest duration is in bucket %d", i)
	}
}

func TestObserve(t *testing.T) {
	const goroutines, rounds = 8, 1000
	var h Histogram
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range rounds {
				h.Observe(time.Millisecond)
				h.Observe(-time.Second) // of a clock that was set back
				h.Observe(time.Minute)
			}
		})
	}
	wg.Wait()
	const each = goroutines * rounds
	s := h.Snapshot()
	if s.Counts[0] != each || s.Counts[bucketOf(time.Millisecond)] != each || s.Counts[Buckets-1] != each || s.Count() != 3*each {
		t.Errorf("counts %v", s.Counts)
	}
	if want := each * (time.Minute + time.Millisecond); s.Sum != want || s.Mean() != want/(3*each) {
		t.Errorf("a sum of %v with a mean of %v, want %v", s.Sum, s.Mean(), want)
	}
	sum := s
	h.AddTo(&sum)
	if sum.Count() != 2*s.Count() || sum.Sub(s) != s {
		t.Errorf("twice %v is %v", s, sum)
	}
}

func TestQuantile(t *testing.T) {
	var h Histogram
	none := h.Snapshot()
	if q := none.Quantile(0.5); q != 0 || none.Mean() != 0 {
		t.Errorf("of nothing: %v and %v", q, none.Mean())
	}
	for range 90 {
		h.Observe(10 * time.Microsecond)
	}
	for range 9 {
		h.Observe(time.Millisecond)
	}
	h.Observe(time.Hour)
	s := h.Snapshot()
	for q, want := range map[float64]time.Duration{
		0: Bound(0), 0.5: Bound(0), 0.9: Bound(0), 0.91: Bound(6), 0.99: Bound(6), 1: 2 * Bound(Buckets-2),
	} {
		if got := s.Quantile(q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
}

// Shards do not share cache lines, and an observation allocates nothing.
func TestShards(t *testing.T) {
	if size := unsafe.Sizeof(Histogram{}); size%64 != 0 {
		t.Errorf("a Histogram has %d bytes", size)
	}
	var h Histogram
	if n := testing.AllocsPerRun(100, func() { h.Observe(time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestJSON(t *testing.T) {
	var h Histogram
	h.Observe(time.Millisecond)
	s := h.Snapshot()
	b, err := json.Marshal(s)
	var back Snapshot
	if err != nil || json.Unmarshal(b, &back) != nil || back != s {
		t.Errorf("%s, %v", b, err)
	}
}

func BenchmarkObserve(b *testing.B) {
	b.RunParallel(func(pb *testing.PB) {
		var h Histogram
		for d := time.Duration(0); pb.Next(); d += 1000 {
			h.Observe(d)
		}
	})
}
