package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// loaded is what of fanfare-load's report is used here.
type loaded struct {
	perSecond float64 // deliveries
	cpu       float64 // of the server, for each delivery, in microseconds
	p50       float64 // microseconds
}

// parseLoaded fails if anything was lost: such figures are not to be compared.
func parseLoaded(b []byte) (loaded, error) {
	var r struct {
		OK       bool
		Messages *struct {
			Missing      int64
			PerSecond    float64                `json:"received_per_second"`
			ServerMicros *float64               `json:"server_cpu_microseconds_per_message"`
			Latency      *struct{ P50 float64 } `json:"latency_microseconds"`
		}
		Faults []struct {
			Kind, Example string
			Count         int64
		}
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return loaded{}, fmt.Errorf("what fanfare-load reports is no JSON: %w", err)
	}
	m := r.Messages
	if r.OK && m != nil && m.ServerMicros != nil && m.Latency != nil {
		return loaded{m.PerSecond, *m.ServerMicros, m.Latency.P50}, nil
	}
	var said []string
	if m != nil && m.Missing > 0 {
		said = append(said, fmt.Sprintf("%d deliveries are missing", m.Missing))
	}
	for _, f := range r.Faults {
		said = append(said, strings.TrimSpace(fmt.Sprintf("%d x %s %s", f.Count, f.Kind, f.Example)))
	}
	if len(said) == 0 {
		return loaded{}, errors.New("nothing was delivered, or the server's processor time is not known")
	}
	return loaded{}, errors.New(strings.Join(said, "; "))
}
