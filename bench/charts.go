package main

import (
	"bytes"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// chart is a picture, as SVG and as PNG.
type chart struct{ file, title string }

var (
	processColor = color.RGBA{0x1f, 0x77, 0xb4, 0xff}
	kernelColor  = color.RGBA{0xcc, 0xcc, 0xcc, 0xff}
)

// writeCharts draws what the report has.
func (r *report) writeCharts(dir string) ([]chart, error) {
	var all []chart
	for _, c := range []struct {
		file string
		make func() (*plot.Plot, error)
	}{{"memory", r.memoryBars}, {"growth", r.growthLines}} {
		p, err := c.make()
		if err != nil {
			return nil, fmt.Errorf("chart %s: %w", c.file, err)
		}
		if p == nil {
			continue
		}
		for _, format := range []string{"svg", "png"} {
			if err := save(p, filepath.Join(dir, c.file+"."+format), format); err != nil {
				return nil, err
			}
		}
		all = append(all, chart{c.file, p.Title.Text})
	}
	return all, nil
}

// save draws with a white margin, which plot.Save has not.
func save(p *plot.Plot, file, format string) error {
	const w, h, margin = 20 * vg.Centimeter, 11 * vg.Centimeter, 0.4 * vg.Centimeter
	canvas, err := draw.NewFormattedCanvas(w, h, format)
	if err != nil {
		return err
	}
	c := draw.New(canvas)
	c.FillPolygon(color.White, []vg.Point{{X: 0, Y: 0}, {X: w, Y: 0}, {X: w, Y: h}, {X: 0, Y: h}})
	p.Draw(draw.Crop(c, margin, -margin, margin, -margin))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

// ticks writes whole numbers with commas.
func ticks(lo, hi float64) []plot.Tick {
	all := plot.DefaultTicks{}.Ticks(lo, hi)
	for i, t := range all {
		if t.Label != "" {
			all[i].Label = whole(t.Value)
		}
	}
	return all
}

// rankedMemory are the rows of the charts, the lightest first.
func (r *report) rankedMemory() []memoryRow {
	return slices.DeleteFunc(slices.Clone(r.Memory), func(m memoryRow) bool { return !m.ranked() })
}

// memoryBars has a bar for each server, the kernel's part shaded on top. It returns nil
// if there is nothing to draw.
func (r *report) memoryBars() (*plot.Plot, error) {
	rows := r.rankedMemory()
	if len(rows) == 0 {
		return nil, nil
	}
	slices.Reverse(rows) // the first is the lowest
	var process, kernel plotter.Values
	var names []string
	var sums plotter.XYLabels
	for i := range rows {
		s := rows[i].last()
		process = append(process, s.RSS/1e3)
		if s.Kernel != nil {
			kernel = append(kernel, *s.Kernel/1e3)
		} else {
			kernel = append(kernel, 0)
		}
		names = append(names, rows[i].Server)
		sum := process[i] + kernel[i]
		sums.XYs = append(sums.XYs, plotter.XY{X: sum, Y: float64(i)})
		sums.Labels = append(sums.Labels, fmt.Sprintf(" %.1f = %.1f + %.1f", sum, process[i], kernel[i]))
	}
	p := plot.New()
	n := rows[0].Points[len(rows[0].Points)-1].Connections
	p.Title.Text = fmt.Sprintf("Memory for each of %s connections, after an echo on each", comma(n))
	p.X.Label.Text = "kB"
	p.X.Tick.Marker = plot.TickerFunc(ticks)
	bars, err := bar(process, processColor)
	if err != nil {
		return nil, err
	}
	shade, err := bar(kernel, kernelColor)
	if err != nil {
		return nil, err
	}
	shade.StackOn(bars)
	grid := plotter.NewGrid()
	grid.Horizontal.Width = 0
	labels, err := plotter.NewLabels(sums)
	if err != nil {
		return nil, err
	}
	for i := range labels.TextStyle {
		labels.TextStyle[i].YAlign = draw.YCenter
	}
	p.Add(grid, bars, shade, labels)
	p.NominalY(names...)
	p.Title.Padding = vg.Points(8)
	p.X.Max *= 1.3 // room for the labels
	p.Legend.Top = true
	p.Legend.Add("the process (RSS)", bars)
	p.Legend.Add("the kernel's socket", shade)
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

// growthLines has a line for each server: RSS over the empty one, by the number of
// connections. It returns nil if there is nothing to draw.
func (r *report) growthLines() (*plot.Plot, error) {
	rows := r.rankedMemory()
	if len(rows) == 0 {
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
	slices.Reverse(rows) // the legend as the lines lie
	for i, m := range rows {
		var xy plotter.XYs
		for _, point := range m.Points {
			if point.Echoed != nil {
				xy = append(xy, plotter.XY{X: float64(point.Connections), Y: point.Echoed.RSS * float64(point.Connections) / 1e6})
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
		p.Legend.Add(m.Server, l, points)
	}
	return p, nil
}
