package main

import (
	"fmt"
	"image/color"
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
		for _, ext := range []string{".svg", ".png"} {
			if err := p.Save(18*vg.Centimeter, 10*vg.Centimeter, filepath.Join(dir, c.file+ext)); err != nil {
				return nil, err
			}
		}
		all = append(all, chart{c.file, p.Title.Text})
	}
	return all, nil
}

// ranked are the rows of the charts, the lightest first.
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
	for i := range rows {
		s := rows[i].last()
		process = append(process, s.RSS/1e3)
		if s.Kernel != nil {
			kernel = append(kernel, *s.Kernel/1e3)
		} else {
			kernel = append(kernel, 0)
		}
		names = append(names, rows[i].Server)
	}
	p := plot.New()
	n := rows[0].Points[len(rows[0].Points)-1].Connections
	p.Title.Text = fmt.Sprintf("Memory for each of %s connections, after an echo on each", comma(n))
	p.X.Label.Text = "kB"
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
	p.Add(grid, bars, shade)
	p.NominalY(names...)
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
	p.X.Min, p.Y.Min = 0, 0
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
