package main

import (
	"fmt"
	"math"
	"strconv"
)

// comma formats 12345 as 12,345.
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

func whole(v float64) string { return comma(int(math.Round(v))) }

func tenths(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

func hundredths(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }

// millis formats microseconds as milliseconds.
func millis(v float64) string { return strconv.FormatFloat(v/1e3, 'f', 2, 64) }

// text formats the median, with minimum and maximum if they differ.
func (s spread) text(f func(float64) string) string {
	if s.Min == s.Max {
		return f(s.Median)
	}
	return fmt.Sprintf("%s (%s-%s)", f(s.Median), f(s.Min), f(s.Max))
}

func rangeOf(f func(float64) string) func(spread) string {
	return func(s spread) string { return s.text(f) }
}

func median(f func(float64) string) func(spread) string {
	return func(s spread) string { return f(s.Median) }
}
