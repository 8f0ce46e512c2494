package main

import "time"

// leastIdle is the shortest rest for which the server's CPU time is reported. It is known in steps of 10 ms.
const leastIdle = time.Second

// idleReport is what connections cost that do nothing but answer pings.
type idleReport struct {
	Connections int64   `json:"connections"`
	Seconds     float64 `json:"seconds"`
	// ServerMicros is the server's CPU time per second and connection.
	ServerMicros float64 `json:"server_cpu_microseconds_per_second_and_connection"`
}

// idleMeasurement is a rest of all connections.
type idleMeasurement struct {
	load   *load
	start  int64
	server time.Duration // CPU time; negative if it is unknown
}

func (l *load) measureIdle() *idleMeasurement { return &idleMeasurement{l, l.now(), l.serverCPU()} }

// end adds the rest to the report. A later one, with more connections or behind an echo on each, takes the place of an earlier one
// that was not longer.
func (m *idleMeasurement) end() {
	l := m.load
	wall, now, n := time.Duration(l.now()-m.start), l.serverCPU(), l.conns.alive()
	if before := l.report.Idle; m.server < 0 || now < 0 || n == 0 || wall < leastIdle ||
		before != nil && before.Connections == n && before.Seconds > wall.Seconds() {
		return
	}
	each := float64((now - m.server).Nanoseconds()) / 1e3 / wall.Seconds() / float64(n)
	l.report.Idle = &idleReport{n, wall.Seconds(), each}
}

func (r *idleReport) table(t *table) {
	t.row("CPU, server, idle", "%.2f µs per second and connection, over %.0f s", r.ServerMicros, r.Seconds)
}
