package main

import (
	"errors"
	"strings"
)

// figure is the name of a figure.
type figure string

const (
	perSecond   figure = "per_second"
	cpuEach     figure = "server_cpu_microseconds_each"
	p50         figure = "latency_p50_microseconds"
	p99         figure = "latency_p99_microseconds"
	serverCores figure = "server_cpu_cores"
	clientCores figure = "client_cpu_cores"
	idleCPU     figure = "idle_server_cpu_microseconds_per_second"

	voluntary   figure = "voluntary_context_switches_each"
	involuntary figure = "involuntary_context_switches_each"

	userInstructions   figure = "user_instructions_each"
	kernelInstructions figure = "kernel_instructions_each"
	userCycles         figure = "user_cycles_each"
	kernelCycles       figure = "kernel_cycles_each"
)

// stage is the time at which memory is measured.
type stage string

const (
	connected stage = "connected"
	echoed    stage = "echoed"
	rested    stage = "rested"  // for 25 s
	settled   stage = "settled" // garbage returned to the system
)

// The quantities that are measured per connection: bytes or goroutines.
const (
	rss        = "rss"
	pss        = "pss"
	objects    = "objects" // in the heap, with garbage
	heap       = "heap"
	stacks     = "stacks"
	goroutines = "goroutines"
	kernel     = "kernel_socket"
)

// at returns the figure of what at a stage.
func (s stage) at(what string) figure { return figure(string(s) + "_" + what) }

// ranking returns the figure by which rows of a kind are ranked, the lowest first.
func (k kind) ranking() figure {
	if k == memory {
		return echoed.at(rss)
	}
	return cpuEach
}

// figures returns the figures of a visit for the load of that kind and index in its job. Unknown figures are missing.
func (l *loaded) figures(k kind, place int) (map[figure]float64, error) {
	f := map[figure]float64{}
	if k == memory {
		l.weigh(f, place)
	} else {
		l.time(f, place)
	}
	if _, ok := f[k.ranking()]; !ok {
		return nil, errors.New("no message was received, or the server's process could not be measured")
	}
	return f, nil
}

func (l *loaded) time(f map[figure]float64, place int) {
	all := l.phases()
	if l.Cycles != nil {
		all[0] = l.Cycles
	}
	if place >= len(all) { // the run ended before this load
		return
	}
	m := all[place]
	if m == nil || m.Latency == nil || m.ServerMicros == nil || m.ServerCores == nil {
		return
	}
	f[perSecond], f[cpuEach] = m.PerSecond, *m.ServerMicros
	f[p50], f[p99] = m.Latency.P50, m.Latency.P99
	f[serverCores], f[clientCores] = *m.ServerCores, m.ClientCores
	if s := m.Switches; s != nil {
		f[voluntary], f[involuntary] = s.Voluntary, s.Involuntary
	}
	if c := m.Counters; c != nil {
		f[userInstructions], f[kernelInstructions] = c.UserInstructions, c.KernelInstructions
		f[userCycles], f[kernelCycles] = c.UserCycles, c.KernelCycles
	}
}

// stageOf returns the stage for fanfare-load's name of it, or "" for a stage that is not shown.
func stageOf(name string) stage {
	switch {
	case name == "echoed on each":
		return echoed
	case strings.HasSuffix(name, " later"), strings.HasPrefix(name, "after ") && name != "after 0s":
		return rested
	case name == string(connected), name == string(settled):
		return stage(name)
	}
	return ""
}

// lastLevel returns the place of the largest number of connections, at which Idle was measured.
func (l *loaded) lastLevel() int {
	n := -1
	for _, m := range l.Memory {
		if stageOf(m.Name) == connected {
			n++
		}
	}
	return n
}

func (l *loaded) weigh(f map[figure]float64, place int) {
	at := -1 // the first stage at each number of connections is connected
	for _, m := range l.Memory {
		s := stageOf(m.Name)
		if s == connected {
			at++
		}
		if at != place || s == "" {
			continue
		}
		for what, a := range map[string]amount{
			rss: m.Server.RSS, pss: m.Server.PSS, objects: m.Server.Objects, heap: m.Server.Heap, stacks: m.Server.Stacks, goroutines: m.Server.Goroutines,
		} {
			if a.PerConnection != nil {
				f[s.at(what)] = *a.PerConnection
			}
		}
		if l.Idle != nil && at == l.lastLevel() {
			f[idleCPU] = l.Idle.ServerMicros
		}
		if k := m.Kernel.SocketObjects.PerConnection; k != nil {
			f[s.at(kernel)] = *k / 2 // both ends of a connection are on this machine
		}
	}
	if l.Messages == nil { // the server cannot echo; the answer to -hello stands for the echo
		for _, what := range []string{rss, pss, heap, stacks, goroutines, kernel} {
			if v, ok := f[connected.at(what)]; ok {
				f[echoed.at(what)] = v
			}
		}
	}
}
