package doctor

import (
	"fmt"
	"io"
	"strings"
)

// Options are what the server is meant to do.
type Options struct {
	MaxConns int      // connections that it shall hold; 0 for as many as can be
	TLS      bool     // they speak TLS
	Ports    []string // of TCP, at which the server listens
}

// Level says what a finding means.
type Level string

const (
	OK     Level = "ok"
	Note   Level = "note"   // something costs speed or memory, or may limit what is in front of the server
	Limits Level = "limits" // the machine holds less than the server is meant to
)

// Finding is what one property of the machine means for the server.
type Finding struct {
	Name        string   `json:"name"`
	Level       Level    `json:"level"`
	Connections *int64   `json:"connections,omitempty"` // that it allows; nil if it does not limit them
	Text        string   `json:"text"`                  // the value, and how the number comes about
	Raise       []string `json:"raise,omitempty"`       // commands and settings that change it; none if it is high enough
}

// Report is what was found.
type Report struct {
	Connections int64     `json:"connections"` // that the machine can hold
	LimitedBy   string    `json:"limited_by"`  // the finding that allows no more
	Wanted      int       `json:"wanted,omitempty"`
	Findings    []Finding `json:"findings"`
}

// OK reports whether the machine holds what the server is meant to.
func (r *Report) OK() bool {
	for _, f := range r.Findings {
		if f.Level == Limits {
			return false
		}
	}
	return true
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) {
	fmt.Fprintf(w, "This machine can hold %s connections. What limits it: %s.\n", count(r.Connections), r.LimitedBy)
	if r.Wanted > 0 {
		fmt.Fprintf(w, "The server is to hold %s (-max-conns).\n", count(int64(r.Wanted)))
	}
	fmt.Fprintln(w)
	for _, f := range r.Findings {
		holds := ""
		if f.Connections != nil {
			holds = count(*f.Connections)
		}
		fmt.Fprintf(w, "%-6s  %-20s %13s  %s\n", f.Level, f.Name, holds, f.Text)
		if f.Level == OK && (f.Name != r.LimitedBy || r.Wanted > 0) {
			continue
		}
		for _, how := range f.Raise {
			fmt.Fprintf(w, "%45s %s\n", "->", how)
		}
	}
}

// count returns a number with commas, or "unlimited" for one that no machine reaches.
func count(n int64) string {
	if n >= noLimit/4 {
		return "unlimited"
	}
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size returns a number of bytes in the unit that is usual for it.
func size(n int64) string {
	const units = "KMGTPE"
	if n < 10<<10 {
		return count(n) + " B"
	}
	f, unit := float64(n)/1024, 0
	for f >= 1024 && unit < len(units)-1 {
		f, unit = f/1024, unit+1
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") + " " + units[unit:unit+1] + "iB"
}
