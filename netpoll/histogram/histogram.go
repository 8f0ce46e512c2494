package histogram

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Buckets is the number of buckets. The last one has what is above all bounds.
const Buckets = 21

const firstBound = 14 // the binary logarithm of the first bound in nanoseconds

// Bound returns the upper bound of a bucket, which belongs to the bucket, from 0 to Buckets-2: 16,384 ns, and twice as
// much for each further one.
func Bound(bucket int) time.Duration { return 1 << (firstBound + bucket) }

// bucketOf returns the bucket that counts d.
func bucketOf(d time.Duration) int {
	return min(bits.Len64(uint64(max(d, 1)-1)>>firstBound), Buckets-1)
}

// Histogram is a distribution of durations. The zero value is empty and ready. It must not be copied.
type Histogram struct {
	counts [Buckets]atomic.Uint64
	sum    atomic.Int64 // nanoseconds
	_      [2]uint64    // the size is a multiple of a cache line, so that neighbours share none
}

// Observe counts d; less than 0 as 0.
func (h *Histogram) Observe(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(d)].Add(1)
	h.sum.Add(int64(d))
}

// AddTo adds what h has counted to s. Values that are observed meanwhile may be counted in s, or in its sum only.
func (h *Histogram) AddTo(s *Snapshot) {
	for i := range h.counts {
		s.Counts[i] += h.counts[i].Load()
	}
	s.Sum += time.Duration(h.sum.Load())
}

// Snapshot returns what h has counted.
func (h *Histogram) Snapshot() (s Snapshot) {
	h.AddTo(&s)
	return s
}
