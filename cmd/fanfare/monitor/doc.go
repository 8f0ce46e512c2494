// Package monitor describes the state of a server as operators see it. [Snapshot] is that state at one moment; the metrics,
// the dashboard and fanfare top show it, each in its own form.
//
// A Snapshot is a value: who has one may keep it, and may read it from any goroutine.
package monitor
