package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// chart is a picture in SVG.
type chart struct{ file, title string }

// writeCharts draws the charts of the report.
func (r *report) writeCharts(dir string) (all []chart, err error) {
	for _, c := range []struct {
		chart
		draw func(*svg, chart) bool // reports whether the report has the figures
	}{
		{chart{"memory", r.memoryTitle()}, r.drawMemory},
		{chart{"growth", "RSS over the empty server, after an echo on each connection"}, r.drawGrowth},
		{chart{"cpu", "CPU time of the server per message, delivery or connection"}, r.drawCPU},
		{chart{"latency", "Latency: 50th and 99th percentile"}, r.drawLatency},
	} {
		s := new(svg)
		if !c.draw(s, c.chart) {
			continue
		}
		if err := s.save(filepath.Join(dir, c.file+".svg"), c.title); err != nil {
			return nil, err
		}
		all = append(all, c.chart)
	}
	return all, nil
}

// rankedRows returns the rows that are ranked, the best first.
func (m *measurement) rankedRows() []row {
	return slices.DeleteFunc(slices.Clone(m.Rows), func(r row) bool { return !r.ranked })
}

// fanfare reports whether a row is one of Fanfare's.
func (r *row) fanfare() bool { return strings.HasPrefix(r.Server, ours) }

// class returns the class of a bar or of a name.
func (r *row) class() string {
	if r.fanfare() {
		return "ours"
	}
	return "other"
}

// bars draws a measurement: a bar for each server, with a shade on top.
type bars struct {
	title      string
	low, shade func(*row) float64
	legend     [2]string // of the two; none if empty
	label      func(low, shade float64) string
}

const (
	nameWidth  = 132.0
	barWidth   = 240.0
	labelWidth = 124.0
	barsWidth  = nameWidth + barWidth + labelWidth
	barHeight  = 15.0

	titleLength = 48 // characters that fit above the bars, their names and labels, in any font
)

// draw draws the bars and returns the y coordinate of their end.
func (b *bars) draw(s *svg, rows []row, x, y float64) float64 {
	for _, line := range wrap(b.title, titleLength) {
		y += lineSpace
		s.text(x, y, "title", line)
	}
	if b.legend[0] != "" {
		y += lineSpace
		b.drawLegend(s, x, y)
	}
	y += lineSpace / 2
	most := 0.0
	for i := range rows {
		most = max(most, b.low(&rows[i])+b.shade(&rows[i]))
	}
	for i := range rows {
		r := &rows[i]
		low, shade := b.low(r), b.shade(r)
		scale := barWidth / max(most, 1e-9)
		from, middle := x+nameWidth, y+lineSpace/2+5
		name := "end"
		if r.fanfare() {
			name += " ours"
		}
		s.text(from-8, middle, name, r.Server)
		s.rect(from, y+(lineSpace-barHeight)/2, max(1, low*scale), barHeight, r.class())
		if shade > 0 {
			s.rect(from+low*scale, y+(lineSpace-barHeight)/2, shade*scale, barHeight, "shade")
		}
		s.text(from+max(1, (low+shade)*scale)+7, middle, "", b.label(low, shade))
		y += lineSpace
	}
	s.grow(x+barsWidth, y)
	return y
}

func (b *bars) drawLegend(s *svg, x, y float64) {
	const side = 12
	s.rect(x, y-side+1, side, side, "ours")
	s.rect(x+side+3, y-side+1, side, side, "other")
	s.text(x+2*side+10, y, "small", b.legend[0])
	x += 2*side + 10 + 7.5*float64(len(b.legend[0])) + 16
	s.rect(x, y-side+1, side, side, "shade")
	s.text(x+side+7, y, "small", b.legend[1])
}

// none is the shade of bars without one.
func none(*row) float64 { return 0 }

func (r *report) memoryTitle() string {
	if len(r.weighed()) == 0 {
		return ""
	}
	return fmt.Sprintf("Memory per connection, with %s connections, after an echo on each", comma(r.largest().Connections))
}

func (r *report) drawMemory(s *svg, c chart) bool {
	if len(r.weighed()) == 0 || len(r.largest().rankedRows()) == 0 {
		return false
	}
	b := bars{
		title:  c.title + ", kB",
		low:    func(r *row) float64 { return r.Figures[echoed.at(rss)].Median / 1e3 },
		shade:  func(r *row) float64 { return r.Figures[echoed.at(kernel)].Median / 1e3 }, // 0 if it is unknown
		legend: [2]string{"the process (RSS), Fanfare and others", "the kernel's socket"},
		label:  func(low, shade float64) string { return fmt.Sprintf("%.1f = %.1f + %.1f", low+shade, low, shade) },
	}
	b.draw(s, r.largest().rankedRows(), margin, margin/2)
	return true
}

// drawCPU draws the server's CPU time for each load.
func (r *report) drawCPU(s *svg, _ chart) bool {
	return r.everyLoad(s, func(m *measurement) *bars {
		return &bars{
			title: m.Title + ", µs", shade: none,
			low:   func(r *row) float64 { return r.Figures[cpuEach].Median },
			label: func(low, _ float64) string { return hundredths(low) },
		}
	})
}

// drawLatency draws the 50th and the 99th percentile for each load.
func (r *report) drawLatency(s *svg, _ chart) bool {
	return r.everyLoad(s, func(m *measurement) *bars {
		return &bars{
			title:  m.Title + ", ms",
			low:    func(r *row) float64 { return r.Figures[p50].Median / 1e3 },
			shade:  func(r *row) float64 { return max(0, r.Figures[p99].Median-r.Figures[p50].Median) / 1e3 },
			legend: [2]string{"p50", "p99"},
			label:  func(low, shade float64) string { return hundredths(low) + ", " + hundredths(low+shade) },
		}
	})
}

// everyLoad draws bars for each load except those of memory, in two columns.
func (r *report) everyLoad(s *svg, drawn func(*measurement) *bars) (any bool) {
	x, y, end := float64(margin), margin/2.0, 0.0
	for i := range r.Measurements {
		m := &r.Measurements[i]
		rows := m.rankedRows()
		if m.Kind == memory || len(rows) == 0 {
			continue
		}
		any = true
		end = max(end, drawn(m).draw(s, rows, x, y))
		if x += barsWidth + 2*margin; x > barsWidth+4*margin {
			x, y = margin, end+lineSpace
		}
	}
	return any
}

// wrap breaks words into lines of at most that many characters, unless a word is longer.
func wrap(words string, most int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(words) {
		if line != "" && utf8.RuneCountInString(line+" "+word) > most {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}
