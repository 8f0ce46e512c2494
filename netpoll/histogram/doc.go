// Package histogram counts durations in fixed buckets, whose bounds are powers of two from 16 µs to 8.6 s.
//
// A [Histogram] takes values from any goroutine, without a lock and without an allocation: an Observe is two additions to
// memory that belongs to the histogram. Goroutines that observe often should have a histogram each, so that they do not
// take each other's cache lines; AddTo then sums them up. A [Snapshot] is a value: who has one may keep it, compare it and
// subtract an earlier one.
package histogram
