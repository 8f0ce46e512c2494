// Package monitor describes the state of a server as operators see it. [Snapshot] is that state at one moment; the metrics,
// the dashboard and fanfare top show it, each in its own form.
//
// # Alerts
//
// [Rules] is a table: a condition of two states, the same for Prometheus, and for how long it must hold. A [Watch] evaluates the
// conditions every [Tick], and when it is asked. An alert begins when its condition has held for Rule.For at each of these
// looks, and ends when it has been false for [Keep]: one slow second is no alert, and a condition that comes and goes is one alert.
// The rules for Prometheus say the same as "for" and "keep_firing_for".
//
// # Concurrency
//
// A Snapshot is a value: who has one may keep it, and may read it from any goroutine.
package monitor
