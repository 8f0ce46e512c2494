package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Both axes of the growth chart are logarithmic. So servers that need little memory can be told apart, and a server that needs
// the same for each connection rises as steeply as any other one.
const (
	growthWidth  = 430.0
	growthHeight = 430.0
	axisWidth    = 70.0
	nameSpace    = 17.0 // between the names on the right
)

// curve is the curve of a server.
type curve struct {
	row    *row
	points [][2]float64 // connections, MB
	label  float64      // position of its name
}

func (c *curve) last() float64 { return c.points[len(c.points)-1][1] }

// curves returns the curves of ranked servers, the highest first.
func (r *report) curves() (all []curve) {
	w := r.weighed()
	if len(w) == 0 {
		return nil
	}
	for _, last := range w[len(w)-1].rankedRows() {
		c := curve{row: &last}
		for j := range w {
			n := float64(w[j].Connections)
			if one := w[j].find(last.Server); one != nil && one.ranked && one.Figures[echoed.at(rss)].Median > 0 {
				c.points = append(c.points, [2]float64{n, one.Figures[echoed.at(rss)].Median * n / 1e6})
			}
		}
		if len(c.points) > 0 {
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b curve) int { return cmp.Compare(b.last(), a.last()) })
	return all
}

// drawGrowth draws a line for each server: RSS over the empty server by the number of connections.
func (r *report) drawGrowth(s *svg, c chart) bool {
	all, w := r.curves(), r.weighed()
	if len(all) == 0 {
		return false
	}
	s.text(margin, margin/2+lineSpace, "title", c.title)
	s.text(margin, margin/2+2*lineSpace, "small", "MB, by the number of connections; both axes are logarithmic")
	const left, top = margin + axisWidth, margin/2 + 3.0*lineSpace
	x := scaleOf(float64(w[0].Connections), float64(w[len(w)-1].Connections), left, left+growthWidth)
	low, high := math.Inf(1), 0.0
	for _, one := range all {
		for _, p := range one.points {
			low, high = min(low, p[1]), max(high, p[1])
		}
	}
	decades := steps(low, high)
	y := scaleOf(decades[0], decades[len(decades)-1], top+growthHeight, top)
	for _, v := range decades {
		s.line(left, y(v), left+growthWidth, y(v), "grid")
		s.text(left-8, y(v)+5, "small end", megabytes(v))
	}
	for i := range w {
		n := float64(w[i].Connections)
		s.line(x(n), top, x(n), top+growthHeight, "grid")
		s.text(x(n), top+growthHeight+lineSpace-2, "small middle", comma(w[i].Connections))
	}
	spreadLabels(all, y, top, top+growthHeight)
	for _, ours := range []bool{false, true} { // Fanfare's are drawn above the others
		for i := range all {
			if all[i].row.fanfare() == ours {
				all[i].draw(s, x, y, left+growthWidth)
			}
		}
	}
	s.grow(left+growthWidth+200, top+growthHeight+lineSpace)
	return true
}

// draw draws the line, with its name at the right end.
func (c *curve) draw(s *svg, x, y func(float64) float64, right float64) {
	class, name := "", ""
	if c.row.fanfare() {
		class, name = "oursline", "ours"
	}
	path := ""
	for i, p := range c.points {
		path += fmt.Sprintf("%c%s %s", "ML"[min(i, 1)], px(x(p[0])), px(y(p[1])))
	}
	fmt.Fprintf(s, "<path d=%q%s/>\n", path, classed(class))
	for _, p := range c.points {
		s.dot(x(p[0]), y(p[1]), c.row.class())
	}
	s.line(right+6, y(c.last()), right+22, c.label, "leader")
	s.text(right+26, c.label+5, name, fmt.Sprintf("%s  %s MB", c.row.Server, tenths(c.last())))
}

// scaleOf returns a function that maps low to from and high to to, on a logarithmic scale.
func scaleOf(low, high, from, to float64) func(float64) float64 {
	if low == high {
		return func(float64) float64 { return (from + to) / 2 }
	}
	return func(v float64) float64 { return from + (to-from)*math.Log(v/low)/math.Log(high/low) }
}

// steps returns 1, 3, 10, 30, and so on, from below low to above high.
func steps(low, high float64) (all []float64) {
	e := int(math.Floor(math.Log10(low)))
	for ; len(all) == 0 || all[len(all)-1] < high; e++ {
		for _, f := range []float64{1, 3} {
			v := f * math.Pow10(e)
			if len(all) > 0 && v <= low {
				all = all[:0]
			}
			if len(all) == 0 || all[len(all)-1] < high {
				all = append(all, v)
			}
		}
	}
	return all
}

// spreadLabels places the names beside the ends of their lines, the highest first, so that none overlaps another.
func spreadLabels(all []curve, y func(float64) float64, top, bottom float64) {
	at := top - nameSpace
	for i := range all {
		at = max(at+nameSpace, y(all[i].last()))
		all[i].label = at
	}
	at = bottom + nameSpace
	for i := len(all) - 1; i >= 0; i-- {
		at = min(at-nameSpace, all[i].label)
		all[i].label = at
	}
}

// megabytes formats a step.
func megabytes(v float64) string {
	if v < 1 {
		return fmt.Sprintf("%.2g MB", v)
	}
	return whole(v) + " MB"
}
