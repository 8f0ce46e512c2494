package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
)

// report is what a run has found: the document of -json. Times are in microseconds.
type report struct {
	Subscribers    int     `json:"subscribers"`
	Rate           float64 `json:"messages_per_second"`
	Size           int     `json:"size_bytes"`
	Seconds        float64 `json:"seconds_per_round"`
	Rounds         int     `json:"rounds"`
	FloorCPU       spread  `json:"floor_cpu_per_delivery"`
	FanfareCPU     spread  `json:"fanfare_cpu_per_delivery"`
	CPURatio       float64 `json:"cpu_ratio"`
	FloorLatency   spread  `json:"floor_latency_p50"`
	FanfareLatency spread  `json:"fanfare_latency_p50"`
	Loop           spread  `json:"floor_loop"`
	LoopShare      float64 `json:"fanfare_latency_to_floor_loop"`
	Window         int     `json:"window"`
	Saturated      rate    `json:"fanfare_window"`
	Single         rate    `json:"fanfare_one_under_way"`
	WindowRatio    float64 `json:"window_ratio"`
	WindowCPURatio float64 `json:"window_cpu_ratio"`
}

// rate is of Fanfare going as fast as it can.
type rate struct {
	PerSecond spread `json:"deliveries_per_second"`
	CPU       spread `json:"cpu_per_delivery"`
}

func (r rates) rate() rate { return rate{spreadOf(r.perSecond), spreadOf(r.cpu)} }

// report has ratios of medians.
func (s *samples) report(o *options) *report {
	r := &report{
		Subscribers: o.n, Rate: o.rate, Size: o.size, Seconds: o.duration.Seconds(), Rounds: o.rounds, Window: o.window,
		FloorCPU: spreadOf(s.floorCPU), FanfareCPU: spreadOf(s.fanfareCPU),
		FloorLatency: spreadOf(s.floorLatency), FanfareLatency: spreadOf(s.fanfareLatency), Loop: spreadOf(s.loop),
		Saturated: s.saturated.rate(), Single: s.single.rate(),
	}
	r.CPURatio = r.FanfareCPU.over(r.FloorCPU)
	r.LoopShare = r.FanfareLatency.over(r.Loop)
	r.WindowRatio = r.Saturated.PerSecond.over(r.Single.PerSecond)
	r.WindowCPURatio = r.Single.CPU.over(r.Saturated.CPU)
	return r
}

// publish writes the figures to out, and to the file that was asked for.
func (r *report) publish(o *options, out io.Writer) error {
	fmt.Fprintf(out, "%s subscribers, %v messages of %d bytes per second; median (minimum-maximum) of %d rounds of %v\n",
		comma(float64(r.Subscribers)), r.Rate, r.Size, r.Rounds, o.duration)
	fmt.Fprintf(out, "CPU per delivery: floor %s, Fanfare %s, %.2f x\n", r.FloorCPU.text(micros), r.FanfareCPU.text(micros), r.CPURatio)
	fmt.Fprintf(out, "median latency: floor %s, Fanfare %s; one loop over all sockets takes %s, %.2f of which Fanfare needs\n",
		r.FloorLatency.text(millis), r.FanfareLatency.text(millis), r.Loop.text(millis), r.LoopShare)
	many, one := r.Saturated, r.Single
	fmt.Fprintf(out, "Fanfare's deliveries/s: %s with %d messages under way, %s with 1, %.1f x\n",
		many.PerSecond.text(comma), r.Window, one.PerSecond.text(comma), r.WindowRatio)
	fmt.Fprintf(out, "CPU per delivery: %s with %d messages under way, %s with 1, 1/%.1f\n",
		many.CPU.text(micros), r.Window, one.CPU.text(micros), r.WindowCPURatio)
	if o.json == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.json, append(b, '\n'), 0o644)
}

// spread is a figure that was measured several times.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// spreadOf is of at least one value. The median of an even number is the mean of the
// two in the middle.
func spreadOf(values []float64) spread {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return spread{Median: (v[(n-1)/2] + v[n/2]) / 2, Min: v[0], Max: v[n-1]}
}

// over is the ratio of medians; 0 where there is none, as of a processor time below
// what the kernel counts.
func (s spread) over(t spread) float64 {
	if t.Median == 0 {
		return 0
	}
	return s.Median / t.Median
}

func (s spread) text(f func(float64) string) string {
	return fmt.Sprintf("%s (%s-%s)", f(s.Median), f(s.Min), f(s.Max))
}

func micros(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) + " µs" }

// millis writes microseconds as milliseconds.
func millis(v float64) string { return strconv.FormatFloat(v/1e3, 'f', 2, 64) + " ms" }

// comma writes 12345 as 12,345.
func comma(v float64) string {
	s := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
