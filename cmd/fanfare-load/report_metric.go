package main

import "strings"

// metric is a figure that -fail can judge.
type metric struct {
	name string
	unit unit
	of   subject
	// One of them returns the figure, or nil if it is unknown.
	messages    func(*messagesReport) *float64
	connections func(*connectionsReport) *float64
}

// subject is what a metric describes.
type subject int

const (
	ofMessages    subject = iota // each load
	ofConnections                // the run
	ofServer
)

var metrics = []metric{
	latency("min", func(l *latencyReport) float64 { return l.Min }),
	latency("mean", func(l *latencyReport) float64 { return l.Mean }),
	latency("p50", func(l *latencyReport) float64 { return l.P50 }),
	latency("p90", func(l *latencyReport) float64 { return l.P90 }),
	latency("p95", func(l *latencyReport) float64 { return l.P95 }),
	latency("p99", func(l *latencyReport) float64 { return l.P99 }),
	latency("p99.9", func(l *latencyReport) float64 { return l.P999 }),
	latency("max", func(l *latencyReport) float64 { return l.Max }),
	{name: "rate", unit: unitRate, messages: func(m *messagesReport) *float64 { return &m.PerSecond }},
	{name: "cpu", unit: unitTime, messages: func(m *messagesReport) *float64 { return m.ServerMicros }},
	counted("missing", func(m *messagesReport) int64 { return m.Missing }),
	counted("duplicated", func(m *messagesReport) int64 { return m.Duplicated }),
	counted("reordered", func(m *messagesReport) int64 { return m.Reordered }),
	counted("wrong", func(m *messagesReport) int64 { return m.Wrong }),
	{name: "failed", unit: unitCount, of: ofConnections, connections: func(c *connectionsReport) *float64 { return ptr(float64(c.Failed)) }},
	{name: "lost", unit: unitCount, of: ofConnections, connections: func(c *connectionsReport) *float64 { return ptr(float64(c.Lost)) }},
	{name: "opened", unit: unitRate, of: ofConnections, connections: func(c *connectionsReport) *float64 { return &c.PerSecond }},
	{name: "bytes", unit: unitBytes, of: ofServer},
}

func latency(name string, of func(*latencyReport) float64) metric {
	return metric{name: name, unit: unitTime, messages: func(m *messagesReport) *float64 {
		if m.Latency == nil {
			return nil
		}
		return ptr(of(m.Latency))
	}}
}

func counted(name string, of func(*messagesReport) int64) metric {
	return metric{name: name, unit: unitCount, messages: func(m *messagesReport) *float64 { return ptr(float64(of(m))) }}
}

func findMetric(name string) *metric {
	for i := range metrics {
		if metrics[i].name == name {
			return &metrics[i]
		}
	}
	return nil
}

func metricNames() string {
	names := make([]string, len(metrics))
	for i, m := range metrics {
		names[i] = m.name
	}
	return strings.Join(names, ", ")
}

// thresholdHelp follows the flags in the help.
const thresholdHelp = `
Thresholds: -fail METRIC>VALUE, or with >=, < or <=, makes the run fail if the condition holds. It
may be repeated; quote it for the shell. The metrics:

  min mean p50 p90 p95 p99 p99.9 max    latency, such as 50ms or 800µs
  rate                                  messages received, or deliveries, per second
  missing duplicated reordered wrong    messages, as a number or a percentage such as 0.1%
  failed lost                           connections, as a number or a percentage
  opened                                connections opened per second
  cpu                                   the server's CPU time per message, such as 20µs; needs -pid
  bytes                                 the server's RSS per connection at the end of idle, such as 400 or 10KiB; needs -pid

With -then, and for idle with -at, each load is judged. A metric that could not be measured fails.
`
