package monitor

import "github.com/fanfare-ws/fanfare/netpoll/histogram"

// Histogram is a distribution since the start. Counts has one number more than Bounds: of the values up to each bound and
// above the one before, and above the last.
type Histogram struct {
	Bounds []float64 `json:"bounds"` // seconds
	Counts []int64   `json:"counts"`
	Sum    float64   `json:"sum"` // seconds
}

// bounds are those of all histograms. They are not changed.
var bounds = func() []float64 {
	all := make([]float64, histogram.Buckets-1)
	for i := range all {
		all[i] = histogram.Bound(i).Seconds()
	}
	return all
}()

// HistogramOf returns what s has counted. The caller must not change the bounds.
func HistogramOf(s *histogram.Snapshot) Histogram {
	h := Histogram{Bounds: bounds, Counts: make([]int64, len(s.Counts)), Sum: s.Sum.Seconds()}
	for i, n := range s.Counts {
		h.Counts[i] = int64(n)
	}
	return h
}

// Count returns the number of values.
func (h *Histogram) Count() (n int64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Since returns what h has counted since an earlier state, which may be the zero value.
func (h *Histogram) Since(earlier *Histogram) Histogram {
	d := Histogram{Bounds: h.Bounds, Counts: make([]int64, len(h.Counts)), Sum: h.Sum - earlier.Sum}
	for i := range h.Counts {
		if d.Counts[i] = h.Counts[i]; len(earlier.Counts) == len(h.Counts) {
			d.Counts[i] -= earlier.Counts[i]
		}
	}
	return d
}

// Quantile returns the value below which the share q of all values lies, from 0 to 1, in seconds. It lies somewhere in a
// bucket, and is interpolated as histogram_quantile of Prometheus does; values above the last bound count as that bound. 0 if
// there are no values.
func (h *Histogram) Quantile(q float64) float64 {
	n := h.Count()
	if n == 0 {
		return 0
	}
	rank, below := q*float64(n), 0.0
	for i, c := range h.Counts {
		if i == len(h.Bounds) {
			break
		}
		if c > 0 && below+float64(c) >= rank {
			low := 0.0
			if i > 0 {
				low = h.Bounds[i-1]
			}
			return low + (h.Bounds[i]-low)*max(rank-below, 0)/float64(c)
		}
		below += float64(c)
	}
	return h.Bounds[len(h.Bounds)-1]
}
