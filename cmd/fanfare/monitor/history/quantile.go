package history

import (
	"math"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"
)

// Quantile returns the quantile q, from 0 to 1, of the values that have come since a histogram was as was, which may be nil. It is
// interpolated between the bounds, and the last bound if it is above. If no value has come, it is NaN.
func Quantile(q float64, was, now *monitor.Histogram) float64 {
	if was == nil || len(was.Counts) != len(now.Counts) {
		was = &monitor.Histogram{Counts: make([]int64, len(now.Counts))}
	}
	total := int64(0)
	for i := range now.Counts {
		total += now.Counts[i] - was.Counts[i]
	}
	if total <= 0 {
		return math.NaN()
	}
	rank := q * float64(total)
	below := 0.0 // the bound before
	for i, bound := range now.Bounds {
		n := float64(now.Counts[i] - was.Counts[i])
		if n > 0 && rank <= n {
			return below + (bound-below)*rank/n
		}
		rank -= n
		below = bound
	}
	return below
}
