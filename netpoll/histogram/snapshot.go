package histogram

import "time"

// Snapshot is what one or more histograms have counted.
type Snapshot struct {
	Counts [Buckets]uint64 `json:"counts"` // of the values in each bucket, not above the bound of the one before: see Bound
	Sum    time.Duration   `json:"sum_ns"` // of all values
}

// Count returns the number of values.
func (s Snapshot) Count() (n uint64) {
	for _, c := range s.Counts {
		n += c
	}
	return n
}

// Sub returns what has been counted since an earlier snapshot of the same histograms.
func (s Snapshot) Sub(earlier Snapshot) Snapshot {
	for i := range s.Counts {
		s.Counts[i] -= earlier.Counts[i]
	}
	s.Sum -= earlier.Sum
	return s
}

// Mean returns the mean of all values; 0 if there are none.
func (s Snapshot) Mean() time.Duration {
	if n := s.Count(); n > 0 {
		return s.Sum / time.Duration(n)
	}
	return 0
}

// Quantile returns the bound of the bucket that has the value below which the share q of all values lies, from 0 to 1; for
// the last bucket twice its lower bound. It is at most twice the true value, apart from the first bucket. 0 if there are no values.
func (s Snapshot) Quantile(q float64) time.Duration {
	n := s.Count()
	if n == 0 {
		return 0
	}
	rank := max(1, uint64(q*float64(n)+0.5))
	for i, c := range s.Counts {
		if rank <= c {
			return Bound(i)
		}
		rank -= c
	}
	return Bound(Buckets - 1)
}
