package main

import (
	"fmt"
	"io"
)

// floorReport is the result of the subcommand floor, which -json writes as it is. Times are in microseconds.
type floorReport struct {
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
	Single         rate    `json:"fanfare_one_in_flight"`
	WindowRatio    float64 `json:"window_ratio"`
	WindowCPURatio float64 `json:"window_cpu_ratio"`
}

// rate has the figures of Fanfare with a window.
type rate struct {
	PerSecond spread `json:"deliveries_per_second"`
	CPU       spread `json:"cpu_per_delivery"`
}

func (t *turn) rate() rate { return rate{t.spread(perSecond), t.spread(cpuEach)} }

// report computes the ratios of medians.
func (o *floorOptions) report(turns []turn) *floorReport {
	floor, fanfare, many, one := &turns[0], &turns[1], &turns[2], &turns[3]
	r := &floorReport{
		Subscribers: o.n, Rate: o.rate, Size: o.size, Seconds: o.duration.Seconds(), Rounds: o.rounds, Window: o.window,
		FloorCPU: floor.spread(cpuEach), FanfareCPU: fanfare.spread(cpuEach),
		FloorLatency: floor.spread(p50), FanfareLatency: fanfare.spread(p50), Loop: floor.spread(loop),
		Saturated: many.rate(), Single: one.rate(),
	}
	r.CPURatio = r.FanfareCPU.over(r.FloorCPU)
	r.LoopShare = r.FanfareLatency.over(r.Loop)
	r.WindowRatio = r.Saturated.PerSecond.over(r.Single.PerSecond)
	r.WindowCPURatio = r.Single.CPU.over(r.Saturated.CPU)
	return r
}

// publish writes the figures to out and, with -json, to a file.
func (r *floorReport) publish(o *floorOptions, out io.Writer) error {
	fmt.Fprintf(out, "%s subscribers, %v messages of %d bytes per second; median (minimum-maximum) of %d rounds of %v\n",
		comma(r.Subscribers), r.Rate, r.Size, r.Rounds, o.duration)
	fmt.Fprintf(out, "CPU per delivery: floor %s, Fanfare %s, %.2f x\n", r.FloorCPU.text(micros), r.FanfareCPU.text(micros), r.CPURatio)
	fmt.Fprintf(out, "median latency: floor %s, Fanfare %s; a loop over all sockets takes %s, of which Fanfare needs %.2f\n",
		r.FloorLatency.text(milliseconds), r.FanfareLatency.text(milliseconds), r.Loop.text(milliseconds), r.LoopShare)
	many, one := r.Saturated, r.Single
	fmt.Fprintf(out, "Fanfare's deliveries/s: %s with %d messages in flight, %s with 1, %.1f x\n",
		many.PerSecond.text(whole), r.Window, one.PerSecond.text(whole), r.WindowRatio)
	fmt.Fprintf(out, "CPU per delivery: %s with %d messages in flight, %s with 1, 1/%.1f\n",
		many.CPU.text(micros), r.Window, one.CPU.text(micros), r.WindowCPURatio)
	if o.json == "" {
		return nil
	}
	return writeJSON(o.json, r)
}

// over returns the ratio of medians, or 0 if there is none, for example because a CPU time is below the kernel's resolution.
func (s spread) over(t spread) float64 {
	if t.Median == 0 {
		return 0
	}
	return s.Median / t.Median
}

func micros(v float64) string { return hundredths(v) + " µs" }

func milliseconds(v float64) string { return millis(v) + " ms" }
