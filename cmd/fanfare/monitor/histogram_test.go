package monitor

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/histogram"
)

func TestHistogram(t *testing.T) {
	var of histogram.Histogram
	for range 90 {
		of.Observe(10 * time.Microsecond)
	}
	first := of.Snapshot()
	early := HistogramOf(&first)
	for range 9 {
		of.Observe(time.Millisecond)
	}
	of.Observe(time.Hour)
	second := of.Snapshot()
	late := HistogramOf(&second)
	if late.Count() != 100 || len(late.Counts) != len(late.Bounds)+1 || late.Counts[len(late.Bounds)] != 1 || math.Abs(late.Sum-3600.0099) > 1e-6 {
		t.Errorf("%+v", late)
	}
	since := late.Since(&early)
	if since.Count() != 10 || since.Counts[0] != 0 {
		t.Errorf("since then: %+v", since)
	}
	if whole := late.Since(&Histogram{}); !slices.Equal(whole.Counts, late.Counts) {
		t.Errorf("since the start: %+v", whole)
	}
	last := late.Bounds[len(late.Bounds)-1]
	for q, want := range map[float64][2]float64{0.5: {0, 16.4e-6}, 0.95: {0.000524, 0.00105}, 1: {last, last}} {
		if got := late.Quantile(q); got < want[0] || got > want[1] {
			t.Errorf("quantile %v: %v, want %v to %v", q, got, want[0], want[1])
		}
	}
	if got := (&Histogram{}).Quantile(0.99); got != 0 {
		t.Errorf("the quantile of nothing is %v", got)
	}
}
