package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// loaded has the fields of fanfare-load's -json that this program uses. The sources of fanfare-load describe them.
type loaded struct {
	OK          bool `json:"ok"`
	Connections struct {
		Wanted, Opened, Failed, Lost int64
	} `json:"connections"`
	Messages *traffic   `json:"messages"`
	Then     []*traffic `json:"then"`
	Cycles   *traffic   `json:"cycles"` // connections
	Stalled  *struct {
		Fates map[string]int64 `json:"fates"`
	} `json:"stalled"`
	Memory []struct {
		Name        string `json:"name"`
		Connections int64  `json:"connections"`
		Server      struct {
			RSS, PSS, Objects, Heap, Stacks, Goroutines amount
		} `json:"server"`
		Kernel struct {
			SocketObjects amount `json:"socket_objects"`
		} `json:"kernel"`
	} `json:"memory"`
	Idle *struct {
		ServerMicros float64 `json:"server_cpu_microseconds_per_second_and_connection"`
	} `json:"idle"`
	Faults []struct {
		Kind    string `json:"kind"`
		Count   int64  `json:"count"`
		Example string `json:"example"`
	} `json:"faults"`
}

// traffic has the figures of messages, or of the connections of churn.
type traffic struct {
	Sent         int64    `json:"sent"`
	Missing      int64    `json:"missing"`
	PerSecond    float64  `json:"received_per_second"`
	ServerMicros *float64 `json:"server_cpu_microseconds_per_message"`
	ServerCores  *float64 `json:"server_cpu_cores"`
	ClientCores  float64  `json:"client_cpu_cores"`
	Latency      *struct {
		P50 float64 `json:"p50"`
		P99 float64 `json:"p99"`
	} `json:"latency_microseconds"`
	Switches *struct {
		Voluntary   float64 `json:"voluntary"`
		Involuntary float64 `json:"involuntary"`
	} `json:"server_context_switches_per_message"`
	Counters *struct {
		UserInstructions   float64 `json:"user_instructions"`
		KernelInstructions float64 `json:"kernel_instructions"`
		UserCycles         float64 `json:"user_cycles"`
		KernelCycles       float64 `json:"kernel_cycles"`
	} `json:"server_counters_per_message"`
	Uncounted string `json:"server_counters_missing"`
}

// amount is in bytes. It is nil if it is unknown.
type amount struct {
	PerConnection *float64 `json:"per_connection"`
}

// uncounted returns the reason why there are no counters: "" if there are some, or none were requested.
func (l *loaded) uncounted() string {
	for _, t := range []*traffic{l.Messages, l.Cycles} {
		if t != nil && t.Uncounted != "" {
			return t.Uncounted
		}
	}
	return ""
}

// phases returns the messages of all loads in order, nil for a load without messages.
func (l *loaded) phases() []*traffic { return append([]*traffic{l.Messages}, l.Then...) }

// fault returns an error that describes in a line what went wrong, or nil.
func (l *loaded) fault() error {
	if l.OK {
		return nil
	}
	said := []string{fmt.Sprintf("%d of %d connections opened, %d lost", l.Connections.Opened, l.Connections.Wanted, l.Connections.Lost)}
	for _, m := range l.phases() {
		if m != nil && m.Missing > 0 {
			said = append(said, fmt.Sprintf("%d of %d messages missing", m.Missing, m.Sent))
		}
	}
	for _, f := range l.Faults {
		said = append(said, strings.TrimSpace(fmt.Sprintf("%d x %s %s", f.Count, f.Kind, f.Example)))
	}
	return errors.New(strings.Join(said, "; "))
}

// visitLimit bounds a visit.
const visitLimit = 3 * time.Minute

// visit starts a server, runs fanfare-load on it, and ends it, all within the limit.
func (p *programs) visit(ctx context.Context, server *servers.Server, mode string, limit time.Duration, args ...string) (*loaded, error) {
	bounded, cancel := context.WithTimeoutCause(ctx, limit, outOfTime{fmt.Sprintf("it took more than %v", limit)})
	defer cancel()
	s, err := p.startAny(bounded, server, mode)
	if err != nil {
		return nil, cmp.Or(context.Cause(bounded), err)
	}
	defer s.stop()
	if args[0] == "idle" {
		args = append(args, "-turn", p.turn)
	}
	if s.vars != "" {
		args = append(args, "-vars", "http://"+s.vars+"/")
		if args[0] == "idle" {
			args = append(args, "-settle", "http://"+s.vars+"/settle")
		}
	}
	return p.ask(bounded, s, append(append(args, server.Flags...), s.urls(server, args[0])...)...)
}

// ask runs a subcommand of fanfare-load on a server and returns its report.
func (p *programs) ask(ctx context.Context, s *child, args ...string) (*loaded, error) {
	return p.askWith(ctx, nil, s, args...)
}

// askWith is ask with a program, and its arguments, that runs fanfare-load.
func (p *programs) askWith(ctx context.Context, runner []string, s *child, args ...string) (*loaded, error) {
	line := slices.Concat(runner, []string{p.load}, slices.Insert(args, 1, "-json", "-q", "-pid", strconv.Itoa(s.cmd.Process.Pid)))
	c := command(ctx, line[0], line[1:]...)
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		// With status 1 the report says what was wrong.
		if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 1 {
			return nil, fmt.Errorf("fanfare-load %s: %w: %s", args[0], err, strings.TrimSpace(said.String()))
		}
	}
	l := new(loaded)
	if err := json.Unmarshal(out.Bytes(), l); err != nil {
		return nil, fmt.Errorf("fanfare-load %s: its output is not JSON: %w: %s", args[0], err, strings.TrimSpace(said.String()))
	}
	return l, nil
}

// urls returns the arguments of fanfare-load that name the server's URLs.
func (s *child) urls(server *servers.Server, subcommand string) (args []string) {
	scheme := "ws://"
	if server.TLS {
		scheme, args = "wss://", append(args, "-insecure")
	}
	switch {
	case subcommand == "idle":
	case s.publish != "":
		args = append(args, "-publish-url", "ws://"+s.publish+"/")
	case server.Publish != "":
		args = append(args, "-publish-url", scheme+s.addr+server.Publish)
	}
	return append(args, scheme+s.addr+cmp.Or(server.Path, "/"))
}
