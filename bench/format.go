package main

import (
	"fmt"
	"math"
	"strconv"
)

// comma writes 12345 as 12,345.
func comma(n int) string {
	s := strconv.Itoa(n)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func bytesEach(v float64) string { return comma(int(math.Round(v))) + " B" }

// maybe is bytesEach of what may not be known.
func maybe(v *float64) string {
	if v == nil {
		return "unknown"
	}
	return bytesEach(*v)
}

func whole(v float64) string { return comma(int(math.Round(v))) }

func tenths(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// millis writes microseconds as milliseconds.
func millis(v float64) string { return strconv.FormatFloat(v/1e3, 'f', 2, 64) }

// text writes the median, with minimum and maximum.
func (s *spread) text(f func(float64) string) string {
	return fmt.Sprintf("%s (%s-%s)", f(s.Median), f(s.Min), f(s.Max))
}
