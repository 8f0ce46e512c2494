// Package metrics has the metrics of the server for Prometheus. [All] lists them; the documentation is made from that list.
//
// Metrics have no state of their own: each scrape takes a [monitor.Snapshot] and says what it has. A [Handler] may be called
// from any goroutine; scrapes at the same time share a snapshot, and there are few of them. No label has a value that a
// client chooses, so the number of series does not grow with clients, topics or users.
package metrics
