package main

import (
	"math"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   spread
	}{
		{[]float64{4}, spread{4, 4, 4}},
		{[]float64{3, 1}, spread{2, 1, 3}},
		{[]float64{9, 1, 5}, spread{5, 1, 9}},
		{[]float64{8, 2, 4, 100}, spread{6, 2, 100}},
	} {
		before := c.values[0]
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.values, got, c.want)
		}
		if c.values[0] != before {
			t.Error("the samples are reordered")
		}
	}
}

func TestSlope(t *testing.T) {
	for _, c := range []struct {
		x, y []float64
		want float64
		ok   bool
	}{
		{nil, nil, 0, false},
		{[]float64{5}, []float64{7}, 0, false},
		{[]float64{5, 5}, []float64{7, 9}, 0, false},
		{[]float64{1000, 5000}, []float64{300_000, 1_500_000}, 300, true},
		{[]float64{0, 1, 2}, []float64{10, 8, 6}, -2, true},
		{[]float64{0, 1, 2, 3}, []float64{0, 2, 1, 3}, 0.8, true},
	} {
		if got, ok := slope(c.x, c.y); ok != c.ok || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v, %v: %v, %v; want %v, %v", c.x, c.y, got, ok, c.want, c.ok)
		}
	}
}

func TestComma(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", -100: "-100"} {
		if got := comma(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
