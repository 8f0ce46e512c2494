package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// simulated has the figures of a topic whose subscribers have no sockets. They are from several processes, one per round, each of
// which has published five times.
type simulated struct {
	Subscribers int    `json:"subscribers"`
	HeapEach    spread `json:"heap_bytes_each"`
	GC          spread `json:"gc_milliseconds"`
	GCPause     spread `json:"gc_pause_milliseconds"`
	Publish     spread `json:"publish_milliseconds"`
	PublishCPU  spread `json:"publish_cpu_milliseconds"`
}

// simulations returns the numbers of subscribers for which there is enough memory.
func (o *options) simulations() (all []int) {
	const each = 1000 // bytes, more than is needed
	for _, n := range []int{100_000, 1_000_000, 10_000_000} {
		if (!o.quick || n <= 1_000_000) && int64(n)*each < availableMemory() {
			all = append(all, n)
		}
	}
	return all
}

// availableMemory returns the available memory of the machine in bytes.
func availableMemory() int64 {
	kilobytes, _, _ := strings.Cut(field("/proc/meminfo", "MemAvailable"), " ")
	n, _ := strconv.ParseInt(kilobytes, 10, 64)
	return n << 10
}

func (c *comparison) simulate(ctx context.Context, n int) error {
	samples := map[string][]float64{}
	for round := range c.opt.rounds() {
		if round > 0 && time.Since(c.begun) > c.opt.enough() {
			c.all--
			continue
		}
		got, err := c.prog.simulateOnce(ctx, n)
		if err != nil {
			return cmp.Or(context.Cause(ctx), err)
		}
		for name, v := range got {
			samples[name] = append(samples[name], v)
		}
		c.progress("Simulation of %s subscribers, round %d: %s", comma(n), round+1, bytesEach(got["heap_bytes_each"]))
	}
	of := func(name string) spread { return spreadOf(samples[name]) }
	c.report.Simulations = append(c.report.Simulations, simulated{
		n, of("heap_bytes_each"), of("gc_milliseconds"), of("gc_pause_milliseconds"), of("publish_milliseconds"), of("publish_cpu_milliseconds"),
	})
	return nil
}

func (p *programs) simulateOnce(ctx context.Context, n int) (map[string]float64, error) {
	bounded, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	out, err := command(bounded, p.simulate, strconv.Itoa(n)).Output()
	if err != nil {
		if exit, ok := err.(*exec.ExitError); ok {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("simulate %d: %w", n, err)
	}
	got := map[string]float64{}
	return got, json.Unmarshal(out, &got)
}
