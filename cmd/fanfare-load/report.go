package main

import (
	"encoding/json"
	"io"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// report is the result of a run. -json prints it as it is; otherwise it is printed as tables.
type report struct {
	Command     string            `json:"command"`
	URL         string            `json:"url"`
	OK          bool              `json:"ok"` // nothing was lost, wrong or refused, no threshold was met, and the run was not interrupted
	Interrupted bool              `json:"interrupted"`
	Connections connectionsReport `json:"connections"`
	Messages    *messagesReport   `json:"messages,omitempty"`
	// Then has the messages of -then, or those of idle at each number of connections after the first.
	Then []*messagesReport `json:"then,omitempty"`
	// Cycles has the connections of churn, each counted as a message.
	Cycles  *messagesReport `json:"cycles,omitempty"`
	Stalled *stalledReport  `json:"stalled,omitempty"`
	Follow  *followReport   `json:"follow,omitempty"`
	// Idle is the longest rest of idle with the most connections.
	Idle   *idleReport `json:"idle,omitempty"`
	Memory []stage     `json:"memory,omitempty"`
	// Notes are warnings about the figures.
	Notes  []string `json:"notes,omitempty"`
	Faults []fault  `json:"faults"`
	// Thresholds are the results of -fail, for each load.
	Thresholds []thresholdReport `json:"thresholds,omitempty"`
}

type connectionsReport struct {
	Wanted int   `json:"wanted"`
	Opened int64 `json:"opened"`
	Failed int64 `json:"failed"`
	Lost   int64 `json:"lost"` // closed by the server, or by a failure
	// Compressed is the number of Opened for which the server agreed to -compress; nil without -compress.
	Compressed *int64  `json:"compressed,omitempty"`
	PerSecond  float64 `json:"opened_per_second"`
	seconds    float64
}

// messagesReport counts echoes or deliveries to subscribers.
type messagesReport struct {
	Flags      string `json:"flags,omitempty"` // set in Then
	Size       int    `json:"size_bytes"`
	Sent       int64  `json:"sent"`
	Expected   int64  `json:"expected"`
	Received   int64  `json:"received"`
	Missing    int64  `json:"missing"`
	Duplicated int64  `json:"duplicated"`
	Reordered  int64  `json:"out_of_order"`
	Wrong      int64  `json:"wrong_content"`
	instead    int64  // those of Wrong that came in the place of a message
	// Seconds is the time from the first message sent to the last one received.
	Seconds   float64        `json:"seconds"`
	PerSecond float64        `json:"received_per_second"`
	Latency   *latencyReport `json:"latency_microseconds,omitempty"`
	// ServerMicros is the server's CPU time per message received.
	ServerMicros *float64 `json:"server_cpu_microseconds_per_message,omitempty"`
	ServerCPU    *float64 `json:"server_cpu_cores,omitempty"`
	ClientCPU    float64  `json:"client_cpu_cores"`
	// Switches is nil if it is unknown.
	Switches *switchesReport `json:"server_context_switches_per_message,omitempty"`
	// Counters are hardware counters of the server, per message received. If they are missing, Uncounted says why.
	Counters  *countersReport `json:"server_counters_per_message,omitempty"`
	Uncounted string          `json:"server_counters_missing,omitempty"`
}

type latencyReport struct {
	Min  float64 `json:"min"`
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

func latencyOf(h *hdrhistogram.Histogram) *latencyReport {
	if h.TotalCount() == 0 {
		return nil
	}
	at := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1e3 }
	return &latencyReport{
		Min:  float64(h.Min()) / 1e3,
		Mean: h.Mean() / 1e3,
		P50:  at(50),
		P90:  at(90),
		P95:  at(95),
		P99:  at(99),
		P999: at(99.9),
		Max:  float64(h.Max()) / 1e3,
	}
}

// stalledReport describes the subscribers that did not read.
type stalledReport struct {
	Subscribers int              `json:"subscribers"`
	Fates       map[string]int64 `json:"fates"`
	// Messages is the number of messages, of Expected, that they could still read.
	Messages int64 `json:"messages"`
	Expected int64 `json:"expected"`
}

// add adds the report of a phase, or of another number of connections.
func (r *report) add(m *messagesReport, flags string) {
	if r.Messages == nil {
		r.Messages = m
		return
	}
	m.Flags = flags
	r.Then = append(r.Then, m)
}

// sent returns the number of messages that all phases sent.
func (r *report) sent() int64 {
	n := r.Messages.Sent
	for _, m := range r.Then {
		n += m.Sent
	}
	return n
}

func (r *report) print(w io.Writer, asJSON bool) error {
	if !asJSON {
		return r.printTable(w)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
