package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// kind is a kind of measurement.
type kind string

const (
	memory     kind = "memory"
	echo       kind = "echo"
	broadcast  kind = "broadcast"
	churn      kind = "churn"
	simulation kind = "simulation"
)

// load is the load of a table.
type load struct {
	Kind        kind     `json:"kind"`
	Title       string   `json:"title"`
	Connections int      `json:"connections,omitempty"`
	Args        []string `json:"arguments"`       // of fanfare-load; they may cover several loads
	Paced       bool     `json:"paced,omitempty"` // neither server nor client sets the pace
	Rounds      int      `json:"rounds"`
	Short       bool     `json:"short,omitempty"` // there was no time for all rounds
}

// job is one run of fanfare-load on a server: one load after the other on the same connections, because opening them takes
// longer than most loads.
type job struct {
	loads []load
	args  []string
	rest  time.Duration // of the connections, after each load
	tcp   bool          // not for servers with TLS
	plain bool          // not for variants of servers: another job shows how they differ

	rounds int // rounds that were made
}

func (e *job) kind() kind { return e.loads[0].Kind }

// takes reports whether the job is for a server.
func (e *job) takes(s *servers.Server) bool {
	switch {
	case e.tcp && s.TLS, e.plain && s.Variant:
		return false
	case e.kind() == memory:
		return true
	case e.kind() == broadcast:
		return s.CanBroadcast()
	}
	return s.Echo != nil && !s.MemoryOnly
}

// mode returns the mode in which to start a server.
func (e *job) mode(s *servers.Server) string {
	if e.kind() == broadcast || s.Echo == nil {
		return servers.BroadcastMode
	}
	return servers.EchoMode
}

// arguments returns the arguments of fanfare-load for a server.
func (e *job) arguments(s *servers.Server) []string {
	if e.kind() != memory {
		return append(slices.Clip(e.args), "-abrupt") // closing handshakes of ten thousand connections take time, too
	}
	if s.Echo == nil {
		return append(slices.Clip(e.args), "-hold", e.rest.String())
	}
	return append(slices.Clip(e.args), "-hold", "0s", "-echo", "-rest", e.rest.String())
}

// jobs returns all jobs in order.
func (o *options) jobs() []job {
	var all []job
	for _, k := range o.kinds {
		switch k {
		case memory:
			all = append(all, o.memoryJobs()...)
		case echo:
			all = append(all, o.echoJobs()...)
		case broadcast:
			all = append(all, o.broadcastJobs()...)
		case churn:
			all = append(all, single(load{Kind: churn, Title: "Churn: connections opened and closed at once, 256 at a time"},
				"churn", "-duration", o.duration(1)))
		}
	}
	for i := range all {
		for j := range all[i].loads {
			all[i].loads[j].Args = all[i].args
		}
	}
	return all
}

func single(l load, args ...string) job { return job{loads: []load{l}, args: args} }

// memoryJobs measures all numbers of connections with one process of a server, and makes it return its garbage only at the
// end.
func (o *options) memoryJobs() []job {
	sizes := []int{1000, 5000, 10000, 18000}
	if o.quick && !o.check {
		sizes = sizes[:2]
	}
	last := len(sizes) - 1
	e := job{args: []string{"idle", "-n", strconv.Itoa(sizes[last])}}
	for _, n := range sizes[:last] {
		e.args = append(e.args, "-at", strconv.Itoa(n))
	}
	if !o.quick && !o.check {
		e.rest = 25 * time.Second // the interval of pings
	}
	for _, n := range sizes {
		e.loads = append(e.loads, load{Kind: memory, Title: "Memory: " + comma(n) + " connections", Connections: n})
	}
	return []job{e}
}

func (o *options) echoJobs() (all []job) {
	for _, e := range []struct{ connections, pipeline, size int }{{1000, 1, 128}, {100, 16, 128}, {10000, 1, 128}, {100, 1, 64 << 10}} {
		if o.quick && e.connections > 1000 {
			continue
		}
		one := single(load{
			Kind:        echo,
			Title:       fmt.Sprintf("Echo of %s bytes: %s connections, %d in flight on each", comma(e.size), comma(e.connections), e.pipeline),
			Connections: e.connections,
		}, "echo", "-n", strconv.Itoa(e.connections), "-pipeline", strconv.Itoa(e.pipeline), "-size", strconv.Itoa(e.size), "-duration", o.duration(1))
		one.plain = e.connections > 1000 // the TLS handshakes alone would take 10 s
		all = append(all, one)
	}
	return all
}

// broadcastJobs has jobs with stalled subscribers as well, one of them with messages that fill the buffers of the kernel.
// Stalled subscribers are plain sockets, so these jobs are not for servers with TLS.
func (o *options) broadcastJobs() []job {
	n, rate := 10000, 5
	if o.quick {
		n, rate = 1000, 50
	}
	of := func(n int, title string) load {
		return load{Kind: broadcast, Title: "Broadcast: " + title, Connections: n}
	}
	small := fmt.Sprintf("128 bytes to %s subscribers, ", comma(n))
	paced := of(n, small+fmt.Sprintf("%d per second", rate))
	paced.Paced = true
	all := []job{{
		loads: []load{paced, of(n, small+"1 in flight"), of(n, small+"64 in flight")},
		args: []string{"broadcast", "-n", strconv.Itoa(n), "-rate", strconv.Itoa(rate), "-duration", o.duration(2),
			"-then", "-window 1 -duration " + o.duration(1), "-then", "-window 64 -duration " + o.duration(1)},
	}}
	stalled := []string{"slow", "-stalled", "1%", "-drain", "1s"}
	if !o.quick { // in a quick run the kernel's buffers would hold all messages; see the next job
		e := single(of(n, small+"1 in flight, 1 % of them do not read"), append(slices.Clip(stalled), "-n", strconv.Itoa(n), "-window", "1", "-duration", o.duration(1))...)
		e.tcp, e.plain = true, true
		all = append(all, e)
	}
	// With half a MiB in flight, a subscriber that reads does not reach the limit of any server's queue.
	e := single(of(500, "16 KiB to 500 subscribers, 32 in flight, 1 % of them do not read"),
		append(slices.Clip(stalled), "-n", "500", "-size", "16384", "-window", "32", "-duration", o.duration(2))...)
	e.tcp = true
	return append(all, e)
}

// rounds returns the number of rounds.
func (o *options) rounds() int {
	switch {
	case o.few:
		return 2
	case o.quick && o.check: // rows that are worse in both are measured again
		return 2
	case o.quick:
		return 1
	}
	return 3
}

// duration returns the duration of a load, multiplied by longer.
func (o *options) duration(longer int) string {
	d := 700 * time.Millisecond
	if o.quick {
		d = 500 * time.Millisecond
	}
	return (d * time.Duration(longer)).String()
}

// outOfTime ends a visit that takes too long. It does not mean that the server lost or refused anything.
type outOfTime struct{ why string }

func (e outOfTime) Error() string { return e.why }

// errTimeUp ends the current visit after most.
var errTimeUp error = outOfTime{"the time of the whole run was over"}

// most bounds the time of all visits, so that a run, with its charts, ends within 3 or 30 minutes.
func (o *options) most() time.Duration {
	if o.quick && !o.check {
		return 170 * time.Second
	}
	return 29 * time.Minute
}

// enough is the time after which no further round is made.
func (o *options) enough() time.Duration {
	if o.quick {
		return 2 * time.Minute
	}
	return 28*time.Minute + 30*time.Second
}
