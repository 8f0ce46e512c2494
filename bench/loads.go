package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// kind is what is measured.
type kind string

const (
	memory     kind = "memory"
	echo       kind = "echo"
	broadcast  kind = "broadcast"
	churn      kind = "churn"
	simulation kind = "simulation"
)

// load is how servers are asked: what all rows of a table have in common.
type load struct {
	Kind        kind     `json:"kind"`
	Title       string   `json:"title"`
	Connections int      `json:"connections,omitempty"`
	Args        []string `json:"arguments"`       // of fanfare-load
	Paced       bool     `json:"paced,omitempty"` // neither server nor client sets the pace
	Rounds      int      `json:"rounds"`
	Short       bool     `json:"short,omitempty"` // of rounds: the time was up
	// Rest is how long, in the first round, connections are left alone before the last
	// look at the memory.
	Rest time.Duration `json:"rest_nanoseconds,omitempty"`
	// over is "TLS" or "TCP", for servers of that kind alone; both if empty.
	over string
}

// takes reports whether a server is asked so. Ten thousand TLS handshakes take most of
// the time that a broadcast has, so they are made for the paced one alone.
func (l *load) takes(s *servers.Server) bool {
	switch l.Kind {
	case memory:
		return l.over == "" || (l.over == "TLS") == s.TLS
	case broadcast:
		return s.Cast != nil && (!s.TLS || l.Paced)
	}
	return s.Echo != nil && !s.MemoryOnly
}

// mode is in which one the server is started.
func (l *load) mode(s *servers.Server) string {
	if l.Kind == broadcast || s.Echo == nil {
		return servers.CastMode
	}
	return servers.EchoMode
}

// loads are what is asked for, in order.
func (o *options) loads() []load {
	var all []load
	for _, k := range o.kinds {
		switch k {
		case memory:
			all = append(all, o.memoryLoads()...)
		case echo:
			all = append(all, o.echoLoads()...)
		case broadcast:
			all = append(all, o.broadcastLoads()...)
		case churn:
			all = append(all, load{Kind: churn, Title: "Churn: connections opened and closed at once, 256 at a time", Args: []string{"churn"}})
		}
	}
	for i := range all {
		l := &all[i]
		if l.Kind != memory && !slices.Contains(l.Args, "-duration") {
			l.Args = append(l.Args, "-duration", o.duration(1).String())
		}
	}
	return all
}

// restTime is for how long the memory may settle.
const restTime = 20 * time.Second

func (o *options) memoryLoads() (all []load) {
	sizes := []int{1000, 5000, 10000, 18000}
	if o.check {
		sizes = sizes[1:3]
	} else if o.quick {
		sizes = sizes[:2]
	}
	for i, n := range sizes {
		l := load{Kind: memory, Title: "Memory: " + comma(n) + " connections", Connections: n, Args: []string{"idle", "-n", strconv.Itoa(n)}}
		// To rest at all sizes takes 20 minutes, for which all other kinds have no time.
		if !o.quick && !o.check && (i == len(sizes)-1 || slices.Equal(o.kinds, subcommands["memory"])) {
			l.Rest = restTime
		}
		// A check has little time. The more connections, the less of chance is in what is
		// light; and what is heavy is steady with few, whose handshakes take seconds, too.
		if o.check {
			l.over = []string{"TLS", "TCP"}[i]
		}
		all = append(all, l)
	}
	return all
}

func (o *options) echoLoads() (all []load) {
	for _, e := range []struct{ connections, pipeline, size int }{{1000, 1, 128}, {100, 16, 128}, {10000, 1, 128}, {100, 1, 64 << 10}} {
		if o.quick && e.connections > 1000 {
			continue
		}
		all = append(all, load{
			Kind:        echo,
			Title:       fmt.Sprintf("Echo of %s bytes: %s connections, %d in flight on each", comma(e.size), comma(e.connections), e.pipeline),
			Connections: e.connections,
			Args:        []string{"echo", "-n", strconv.Itoa(e.connections), "-pipeline", strconv.Itoa(e.pipeline), "-size", strconv.Itoa(e.size)},
		})
	}
	return all
}

// broadcastLoads have, for the stalled subscribers, also messages that fill what the
// kernel has for them.
func (o *options) broadcastLoads() (all []load) {
	n, rate := 10000, 5
	if o.quick {
		n, rate = 1000, 50
	}
	stalled := []string{"slow", "-window", "64", "-stalled", "1%", "-drain", o.duration(2).String()}
	for _, b := range []struct {
		n      int
		title  string
		longer int
		paced  bool
		args   []string
	}{
		{n, fmt.Sprintf("128 bytes to %s subscribers, %d per second", comma(n), rate), 2, true, []string{"broadcast", "-rate", strconv.Itoa(rate)}},
		{n, fmt.Sprintf("128 bytes to %s subscribers, 1 under way", comma(n)), 1, false, []string{"broadcast", "-window", "1"}},
		{n, fmt.Sprintf("128 bytes to %s subscribers, 64 under way", comma(n)), 1, false, []string{"broadcast", "-window", "64"}},
		{n, fmt.Sprintf("128 bytes to %s subscribers, 64 under way, 1 %% of them do not read", comma(n)), 1, false, stalled},
		// With half a MiB under way, nobody who reads is at the limit of any server's queue.
		{500, "16 KiB to 500 subscribers, 32 under way, 1 % of them do not read", 3, false, append(slices.Clip(stalled), "-size", "16384", "-window", "32")},
	} {
		if o.quick && b.n == n && b.args[0] == "slow" {
			continue // the kernel takes what so few messages are; see the next
		}
		all = append(all, load{Kind: broadcast, Title: "Broadcast: " + b.title, Connections: b.n, Paced: b.paced,
			Args: append(slices.Clip(b.args), "-n", strconv.Itoa(b.n), "-duration", o.duration(b.longer).String())})
	}
	return all
}

// rounds is how often each measurement is made.
func (o *options) rounds() int {
	switch {
	case o.quick && o.check: // what is worse in both is measured again
		return 2
	case o.quick:
		return 1
	}
	return 3
}

// duration is how long a load lasts, or one that needs that much longer.
func (o *options) duration(longer int) time.Duration {
	if o.quick {
		return 500 * time.Millisecond * time.Duration(longer)
	}
	return time.Second * time.Duration(longer)
}

// errTimeUp ends the visit that is under way after most.
var errTimeUp = errors.New("the time for all of it was over")

// most is for how long programs are run: with the charts, a run ends within 3 or 30
// minutes.
func (o *options) most() time.Duration {
	if o.quick && !o.check {
		return 170 * time.Second
	}
	return 29 * time.Minute
}

// enough is after which time nothing is measured that has been before.
func (o *options) enough() time.Duration {
	if o.quick {
		return 2 * time.Minute
	}
	return 24 * time.Minute
}
