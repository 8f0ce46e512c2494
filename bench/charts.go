package main

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// chart is a picture, as SVG and as PNG.
type chart struct{ file, title string }

var (
	barColor   = color.RGBA{0x1f, 0x77, 0xb4, 0xff}
	shadeColor = color.RGBA{0xcc, 0xcc, 0xcc, 0xff}
)

// page is the plots of a picture, in rows.
type page struct {
	chart
	plots [][]*plot.Plot
}

// writeCharts draws what the report has.
func (r *report) writeCharts(dir string) ([]chart, error) {
	var all []chart
	for _, draw := range []func() (*page, error){r.memoryPage, r.growthPage, r.cpuPage, r.latencyPage} {
		p, err := draw()
		if err != nil {
			return nil, err
		}
		if p == nil {
			continue
		}
		for _, format := range []string{"svg", "png"} {
			if err := p.save(filepath.Join(dir, p.file+"."+format), format); err != nil {
				return nil, err
			}
		}
		all = append(all, p.chart)
	}
	return all, nil
}

// save draws with a white margin, which plot.Save has not.
func (p *page) save(file, format string) error {
	const margin = 0.4 * vg.Centimeter
	w, h := 20*vg.Centimeter*vg.Length(len(p.plots[0])), 11*vg.Centimeter*vg.Length(len(p.plots))
	canvas, err := draw.NewFormattedCanvas(w, h, format)
	if err != nil {
		return err
	}
	c := draw.New(canvas)
	c.FillPolygon(color.White, []vg.Point{{X: 0, Y: 0}, {X: w, Y: 0}, {X: w, Y: h}, {X: 0, Y: h}})
	tiles := draw.Tiles{Rows: len(p.plots), Cols: len(p.plots[0]), PadX: margin, PadY: margin}
	for i, row := range plot.Align(p.plots, tiles, draw.Crop(c, margin, -margin, margin, -margin)) {
		for j, cell := range row {
			if one := p.plots[i][j]; one != nil {
				one.Draw(cell)
			}
		}
	}
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

// ticks writes large numbers with commas.
func ticks(lo, hi float64) []plot.Tick {
	all := plot.DefaultTicks{}.Ticks(lo, hi)
	for i, t := range all {
		if t.Label != "" {
			if all[i].Label = whole(t.Value); t.Value != math.Trunc(t.Value) {
				all[i].Label = strconv.FormatFloat(t.Value, 'g', 3, 64)
			}
		}
	}
	return all
}

// rankedRows are those that are drawn, the best first.
func (m *measurement) rankedRows() []row {
	return slices.DeleteFunc(slices.Clone(m.Rows), func(r row) bool { return !r.ranked })
}

// bars is how a measurement is drawn: a bar for each server, with a shade on top.
type bars struct {
	title, unit string
	low, shade  func(*row) float64
	legend      [2]string // of the two; none if empty
	label       func(low, shade float64) string
}

// plot returns nil if there is nothing to draw.
func (b *bars) plot(m *measurement) (*plot.Plot, error) {
	rows := m.rankedRows()
	if len(rows) == 0 {
		return nil, nil
	}
	slices.Reverse(rows) // the first is the lowest
	var low, shade plotter.Values
	var names []string
	var sums plotter.XYLabels
	for i := range rows {
		l, s := b.low(&rows[i]), b.shade(&rows[i])
		low, shade, names = append(low, l), append(shade, s), append(names, rows[i].Server)
		sums.XYs = append(sums.XYs, plotter.XY{X: l + s, Y: float64(i)})
		sums.Labels = append(sums.Labels, " "+b.label(l, s))
	}
	p := plot.New()
	p.Title.Text, p.Title.Padding = b.title, vg.Points(8)
	p.X.Label.Text, p.X.Tick.Marker = b.unit, plot.TickerFunc(ticks)
	lows, err := bar(low, barColor)
	if err != nil {
		return nil, err
	}
	shades, err := bar(shade, shadeColor)
	if err != nil {
		return nil, err
	}
	shades.StackOn(lows)
	grid := plotter.NewGrid()
	grid.Horizontal.Width = 0
	labels, err := plotter.NewLabels(sums)
	if err != nil {
		return nil, err
	}
	for i := range labels.TextStyle {
		labels.TextStyle[i].YAlign = draw.YCenter
	}
	p.Add(grid, lows, shades, labels)
	p.NominalY(names...)
	p.X.Min = 0
	p.X.Max *= 1.3 // room for the labels
	if b.legend[0] != "" {
		p.Legend.Top = true
		p.Legend.Add(b.legend[0], lows)
		p.Legend.Add(b.legend[1], shades)
	}
	return p, nil
}

func bar(v plotter.Values, c color.Color) (*plotter.BarChart, error) {
	b, err := plotter.NewBarChart(v, 0.5*vg.Centimeter)
	if err != nil {
		return nil, err
	}
	b.Horizontal = true
	b.Color = c
	b.LineStyle.Width = 0
	return b, nil
}

// none is the shade of bars that have none.
func none(*row) float64 { return 0 }

func (r *report) memoryPage() (*page, error) {
	w := r.weighed()
	if len(w) == 0 {
		return nil, nil
	}
	m := &w[len(w)-1]
	b := bars{
		title: fmt.Sprintf("Memory for each of %s connections, after an echo on each", comma(m.Connections)), unit: "kB",
		low:    func(r *row) float64 { return r.Figures[echoed.at(rss)].Median / 1e3 },
		shade:  func(r *row) float64 { return r.Figures[echoed.at(kernel)].Median / 1e3 }, // 0 if it is unknown
		legend: [2]string{"the process (RSS)", "the kernel's socket"},
		label:  func(low, shade float64) string { return fmt.Sprintf("%.1f = %.1f + %.1f", low+shade, low, shade) },
	}
	p, err := b.plot(m)
	if p == nil {
		return nil, err
	}
	return &page{chart{"memory", b.title}, [][]*plot.Plot{{p}}}, nil
}

// growthPage has a line for each server: RSS over the empty one, by the number of
// connections.
func (r *report) growthPage() (*page, error) {
	w := r.weighed()
	if len(w) == 0 || len(w[len(w)-1].rankedRows()) == 0 {
		return nil, nil
	}
	p := plot.New()
	p.Title.Text = "RSS over the empty server, after an echo on each connection"
	p.X.Label.Text, p.Y.Label.Text = "connections", "MB"
	p.Title.Padding = vg.Points(8)
	p.X.Min, p.Y.Min = 0, 0
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(ticks), plot.TickerFunc(ticks)
	p.Add(plotter.NewGrid())
	p.Legend.Top, p.Legend.Left = true, true
	rows := w[len(w)-1].rankedRows()
	slices.Reverse(rows) // the legend as the lines lie
	for i, last := range rows {
		var xy plotter.XYs
		for j := range w {
			if one := w[j].find(last.Server); one != nil && one.ranked {
				n := float64(w[j].Connections)
				xy = append(xy, plotter.XY{X: n, Y: one.Figures[echoed.at(rss)].Median * n / 1e6})
			}
		}
		l, points, err := plotter.NewLinePoints(xy)
		if err != nil {
			return nil, err
		}
		l.Color, points.Color = plotutil.Color(i), plotutil.Color(i)
		l.Dashes = plotutil.Dashes(i / 7)
		l.Width = vg.Points(1.5)
		points.Shape = draw.CircleGlyph{}
		p.Add(l, points)
		p.Legend.Add(last.Server, l, points)
	}
	return &page{chart{"growth", p.Title.Text}, [][]*plot.Plot{{p}}}, nil
}

// cpuPage is the server's processor time, for each load.
func (r *report) cpuPage() (*page, error) {
	return r.everyLoad(chart{"cpu", "Processor time of the server for each message, delivery or connection"}, func(m *measurement) *bars {
		return &bars{
			title: m.Title, unit: "us", shade: none,
			low:   func(r *row) float64 { return r.Figures[cpuEach].Median },
			label: func(low, _ float64) string { return hundredths(low) },
		}
	})
}

// latencyPage has the 50th and the 99th percentile, for each load.
func (r *report) latencyPage() (*page, error) {
	return r.everyLoad(chart{"latency", "Latency: 50th and 99th percentile"}, func(m *measurement) *bars {
		return &bars{
			title: m.Title, unit: "ms",
			low:    func(r *row) float64 { return r.Figures[p50].Median / 1e3 },
			shade:  func(r *row) float64 { return max(0, r.Figures[p99].Median-r.Figures[p50].Median) / 1e3 },
			legend: [2]string{"p50", "p99"},
			label:  func(low, shade float64) string { return hundredths(low) + ", " + hundredths(low+shade) },
		}
	})
}

// everyLoad is a page with a plot for each load but those of memory, two to a row.
func (r *report) everyLoad(c chart, drawn func(*measurement) *bars) (*page, error) {
	p := &page{chart: c}
	for i := range r.Measurements {
		m := &r.Measurements[i]
		if m.Kind == memory {
			continue
		}
		one, err := drawn(m).plot(m)
		if err != nil {
			return nil, err
		}
		if one == nil {
			continue
		}
		if n := len(p.plots); n > 0 && p.plots[n-1][1] == nil {
			p.plots[n-1][1] = one
		} else {
			p.plots = append(p.plots, []*plot.Plot{one, nil})
		}
	}
	if len(p.plots) == 0 {
		return nil, nil
	}
	return p, nil
}
