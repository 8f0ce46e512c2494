package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// loaded is what of fanfare-load's -json is used here; its sources say what the
// fields are.
type loaded struct {
	OK          bool `json:"ok"`
	Connections struct {
		Wanted, Opened, Failed, Lost int64
	} `json:"connections"`
	Messages *struct {
		Sent         int64    `json:"sent"`
		Received     int64    `json:"received"`
		Missing      int64    `json:"missing"`
		PerSecond    float64  `json:"received_per_second"`
		ServerMicros *float64 `json:"server_cpu_microseconds_per_message"`
		ServerCores  *float64 `json:"server_cpu_cores"`
		ClientCores  float64  `json:"client_cpu_cores"`
		Latency      *struct {
			P50 float64 `json:"p50"`
			P99 float64 `json:"p99"`
		} `json:"latency_microseconds"`
	} `json:"messages"`
	Memory []struct {
		Name        string `json:"name"`
		Connections int64  `json:"connections"`
		Server      struct {
			RSS, PSS amount
		} `json:"server"`
		Kernel struct {
			SocketObjects amount `json:"socket_objects"`
			TCPBuffers    amount `json:"tcp_buffers"`
		} `json:"kernel"`
	} `json:"memory"`
	Faults []struct {
		Kind    string `json:"kind"`
		Count   int64  `json:"count"`
		Example string `json:"example"`
	} `json:"faults"`
}

// amount is in bytes; what is not known is nil.
type amount struct {
	Over          *int64   `json:"over_before"`
	PerConnection *float64 `json:"per_connection"`
}

// fault says in a line what went wrong; "" if nothing did.
func (l *loaded) fault() string {
	if l.OK {
		return ""
	}
	said := []string{fmt.Sprintf("%d of %d connections opened, %d lost", l.Connections.Opened, l.Connections.Wanted, l.Connections.Lost)}
	if m := l.Messages; m != nil {
		said = append(said, fmt.Sprintf("%d of %d messages missing", m.Missing, m.Sent))
	}
	for _, f := range l.Faults {
		said = append(said, strings.TrimSpace(fmt.Sprintf("%d x %s %s", f.Count, f.Kind, f.Example)))
	}
	return strings.Join(said, "; ")
}

// visit starts a server, runs fanfare-load against it, and ends it. Everything
// together takes at most limit.
func (p *programs) visit(ctx context.Context, name string, limit time.Duration, args ...string) (*loaded, error) {
	bounded, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it took more than %v", limit))
	defer cancel()
	s, err := startServer(bounded, p.serve, name)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	args = append(args, "-json", "-q", "-pid", strconv.Itoa(s.cmd.Process.Pid), "ws://"+s.addr+"/")
	c := command(bounded, p.load, args...)
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		if cause := context.Cause(bounded); cause != nil {
			return nil, cause
		}
		// With status 1 it tells in its report what was wrong.
		if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 1 {
			return nil, fmt.Errorf("fanfare-load %s: %w: %s", args[0], err, strings.TrimSpace(said.String()))
		}
	}
	l := new(loaded)
	if err := json.Unmarshal(out.Bytes(), l); err != nil {
		return nil, fmt.Errorf("fanfare-load %s: what it reports is no JSON: %w: %s", args[0], err, strings.TrimSpace(said.String()))
	}
	return l, nil
}
