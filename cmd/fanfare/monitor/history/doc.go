// Package history keeps how a server has been during the last 15 minutes: the dashboard and fanfare top plot it.
//
// A [History] takes a [monitor.Snapshot] each second, and turns each two of them into a point: rates are differences of
// counters, and percentiles are those of what two histograms differ in. It has a point for each second of the last 5
// minutes and one for each 10 seconds of the last 15.
//
// # Memory and time
//
// A figure takes 4 bytes in each of 390 points. There are about 45 figures, and up to 24 more for each of 5 kinds of counters by
// name, such as closes by code: further names are counted as "other". So a history takes 75 to 260 kB. A point costs a
// few microseconds beside the Snapshot, and allocates nothing.
//
// # Concurrency
//
// All methods may be called from any goroutine. The Snapshots that Add gets must not be changed any more. Start begins a
// goroutine, which Close ends.
package history
