package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const labelWidth = 24

// table writes rows of a label and a value.
type table struct{ bytes.Buffer }

func (t *table) row(label, format string, args ...any) {
	fmt.Fprintf(t, "  %-*s%s\n", labelWidth, label, fmt.Sprintf(format, args...))
}

// columns writes cells to the right of a label, aligned at their right ends.
func (t *table) columns(label string, widths []int, cells []string) {
	line := fmt.Sprintf("  %-*s", labelWidth+6, label)
	for i, c := range cells {
		line += strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(c))) + c + "   "
	}
	t.WriteString(strings.TrimRight(line, " ") + "\n")
}

// paragraph writes words after a margin, in lines of at most a hundred characters unless a word is longer.
func (t *table) paragraph(margin, words string) {
	line := margin
	for word := range strings.FieldsSeq(words) {
		if line != margin && utf8.RuneCountInString(line+word) > 100 {
			t.WriteString(strings.TrimRight(line, " ") + "\n")
			margin = strings.Repeat(" ", len(margin))
			line = margin
		}
		line += word + " "
	}
	t.WriteString(strings.TrimRight(line, " ") + "\n")
}

// printTable writes the report as tables.
func (r *report) printTable(w io.Writer) error {
	var t table
	fmt.Fprintf(&t, "%s %s\n\n", r.Command, r.URL)
	r.Connections.table(&t)
	if r.Messages != nil {
		r.Messages.table(&t, r.Command)
	}
	for _, m := range r.Then {
		t.WriteString("\n")
		t.row("then", "%s", m.Flags)
		m.table(&t, r.Command)
	}
	if r.Cycles != nil {
		r.Cycles.churnTable(&t)
	}
	if r.Stalled != nil {
		r.Stalled.table(&t)
	}
	if r.Follow != nil {
		r.Follow.table(&t)
	}
	if r.Idle != nil {
		r.Idle.table(&t)
	}
	switch {
	case len(r.Memory) > 1 && r.Command == "idle":
		memoryTables(&t, r.Memory)
	case len(r.Memory) > 1:
		memoryLine(&t, r.Memory)
	}
	r.verdict(&t)
	_, err := w.Write(t.Bytes())
	return err
}

func (c *connectionsReport) table(t *table) {
	speed := ""
	if c.Opened > 0 {
		speed = ", " + commaRate(c.PerSecond) + " per second"
	}
	t.row("connections", "%s of %s opened%s", comma(c.Opened), comma(c.Wanted), speed)
	if c.Compressed != nil {
		t.row("  compressed", "%s, as agreed with the server", comma(*c.Compressed))
	}
	if c.Failed > 0 {
		t.row("  failed", "%s", comma(c.Failed))
	}
	if c.Lost > 0 {
		t.row("  lost", "%s", comma(c.Lost))
	}
}

func (m *messagesReport) table(t *table, command string) {
	each, verb := "message", "echoed"
	if command == "broadcast" || command == "slow" || command == "follow" {
		each, verb = "delivery", "delivered"
		size := ""
		if m.Size > 0 {
			size = " of " + plural(m.Size, "byte")
		}
		t.row("published", "%s%s", plural(m.Sent, "message"), size)
		t.row(verb, "%s of %s", comma(m.Received), comma(m.Expected))
	} else {
		t.row(verb, "%s of %s of %s", comma(m.Received), plural(m.Sent, "message"), plural(m.Size, "byte"))
	}
	for _, f := range []struct {
		label string
		n     int64
	}{{"  missing", m.Missing}, {"  duplicated", m.Duplicated}, {"  out of order", m.Reordered}, {"  wrong content", m.Wrong}} {
		if f.n > 0 {
			t.row(f.label, "%s", comma(f.n))
		}
	}
	if m.Received == 0 {
		return // there is nothing to measure
	}
	if command != "idle" { // idle sends one message per connection, which says nothing about speed
		t.row(verb+" per second", "%s, for %.2f s", commaRate(m.PerSecond), m.Seconds)
	}
	m.costs(t, each)
}

// costs writes the latency and the CPU time of each message, delivery or connection.
func (m *messagesReport) costs(t *table, each string) {
	if l := m.Latency; l != nil {
		l.table(t)
	}
	if m.ServerMicros != nil {
		t.row("CPU, server", "%.2f µs per %s, %.2f cores", *m.ServerMicros, each, *m.ServerCPU)
	}
	if s := m.Switches; s != nil {
		t.row("  context switches", "%.3g voluntary and %.3g involuntary per %s", s.Voluntary, s.Involuntary, each)
	}
	if c := m.Counters; c != nil {
		t.row("  instructions", "%s in user space and %s in the kernel per %s", commaRate(c.UserInstructions), commaRate(c.KernelInstructions), each)
		t.row("  cycles", "%s in user space and %s in the kernel per %s", commaRate(c.UserCycles), commaRate(c.KernelCycles), each)
	}
	t.row("CPU, this client", "%.2f cores", m.ClientCPU)
}

func (l *latencyReport) table(t *table) { l.rows(t, "latency") }

// rows writes the times under a label.
func (l *latencyReport) rows(t *table, label string) {
	text := func(v float64) string { return durationText(time.Duration(v * 1e3)) }
	cells := []string{text(l.Min), text(l.P50), text(l.P90), text(l.P95), text(l.P99), text(l.P999), text(l.Max), text(l.Mean)}
	head, line := "", ""
	for i, name := range []string{"min", "50 %", "90 %", "95 %", "99 %", "99.9 %", "max", "mean"} {
		head += fmt.Sprintf("%-10s", name)
		line += cells[i] + strings.Repeat(" ", max(1, 10-utf8.RuneCountInString(cells[i])))
	}
	t.row(label, "%s", strings.TrimRight(head, " "))
	t.row("", "%s", strings.TrimRight(line, " "))
}

func (s *stalledReport) table(t *table) {
	for i, fate := range slices.Sorted(maps.Keys(s.Fates)) {
		label := ""
		if i == 0 {
			label = "did not read"
		}
		t.row(label, "%s of %s: %s", comma(s.Fates[fate]), comma(s.Subscribers), fate)
	}
	t.row("", "they could still read %s of %s", comma(s.Messages), plural(s.Expected, "message"))
}

// verdict writes the faults, the thresholds that failed, and the result.
func (r *report) verdict(t *table) {
	t.WriteString("\n")
	for _, n := range r.Notes {
		t.paragraph("NOTE   ", n)
	}
	for _, f := range r.Faults {
		fmt.Fprintf(t, "FAULT  %s x %s\n", comma(f.Count), f.Kind)
		if f.Example != "" {
			t.paragraph("         ", "for example: "+f.Example)
		}
		if f.Hint != "" {
			t.paragraph("         ", f.Hint)
		}
	}
	for _, th := range r.Thresholds {
		if th.Failed {
			fmt.Fprintf(t, "FAILED %s: it is %s%s\n", th.Threshold, th.says, with(th.Flags))
		}
	}
	switch {
	case r.Interrupted:
		t.WriteString("interrupted: the figures cover the time before the interrupt\n")
	case r.OK:
		t.WriteString("ok: nothing was lost, wrong or refused\n")
	}
}

// with returns the flags of a load other than the first.
func with(flags string) string {
	if flags == "" {
		return ""
	}
	return ", with " + flags
}
