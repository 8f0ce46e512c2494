package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// followed has the fields of the report of fanfare-load follow that this program uses.
type followed struct {
	OK          bool `json:"ok"`
	Connections struct{ Wanted, Opened int64 }
	Messages    struct {
		Sent       int64    `json:"sent"`
		Expected   int64    `json:"expected"`
		Received   int64    `json:"received"`
		Missing    int64    `json:"missing"`
		Duplicated int64    `json:"duplicated"`
		Reordered  int64    `json:"out_of_order"`
		Latency    *instant `json:"latency_microseconds"`
	} `json:"messages"`
	Follow struct {
		Reconnected int64    `json:"reconnected"`
		Gaps        int64    `json:"gaps"`
		Away        *instant `json:"away_microseconds"`
		Silence     *instant `json:"silence_microseconds"`
	} `json:"follow"`
	Faults []struct {
		Kind    string `json:"kind"`
		Count   int64  `json:"count"`
		Example string `json:"example"`
	} `json:"faults"`
}

type instant struct{ P50, P99, Max float64 }

// follower is a running fanfare-load follow.
type follower struct {
	cmd *exec.Cmd
	out bytes.Buffer
}

// crowd has clients follow a topic at all nodes, kills the first node, and checks that all of them got everything.
func (c *cluster) crowd(ctx context.Context, stdout io.Writer) error {
	o := c.opts
	full := o.nodes - o.empty
	var followers []*follower
	for i := range full {
		n := (o.n + full - 1 - i) / full
		fmt.Fprintf(c.log, "node %d: %d clients\n", i+1, n)
		f, err := c.follow(ctx, n, i, "0")
		if err != nil {
			return err
		}
		followers = append(followers, f)
	}
	fmt.Fprintf(c.log, "publishing for %v; node 1 is killed after a third of that\n", o.duration)
	publisher, err := c.follow(ctx, 1, o.nodes, fmt.Sprint(o.rate))
	if err != nil {
		return err
	}
	kill := time.AfterFunc(o.duration/3, c.nodes[0].stop)
	defer kill.Stop()
	all, err := reports(append(followers, publisher))
	if err != nil {
		return err
	}
	return c.verdict(stdout, all)
}

// follow starts clients that are at a node and, when they lose it, at any other one with clients.
func (c *cluster) follow(ctx context.Context, n, at int, rate string) (*follower, error) {
	args := []string{"follow", "-json", "-n", fmt.Sprint(n), "-rate", rate, "-duration", c.opts.duration.String(), "-drain", "1m", "-timeout", "30s", "-concurrency", "64"}
	args = append(args, "ws://"+c.nodes[at].addr+"/hub")
	var notes io.Reader
	var err error
	f := new(follower)
	if rate == "0" {
		for i, other := range c.nodes[:c.opts.nodes] {
			if i != at {
				args = append(args, "ws://"+other.again+"/hub")
			}
		}
	}
	f.cmd = command(ctx, c.programs.load, args...)
	f.cmd.Stdout = &f.out
	if rate == "0" {
		if notes, err = f.cmd.StderrPipe(); err != nil {
			return nil, err
		}
	}
	if err := f.cmd.Start(); err != nil {
		return nil, err
	}
	if notes != nil {
		if err := awaitLine(notes, "subscribed"); err != nil {
			return nil, errors.Join(fmt.Errorf("the clients of node %d: %w", at+1, err), f.cmd.Wait(), errors.New(f.out.String()))
		}
	}
	return f, nil
}

// awaitLine reads until a line has that text, and then in the background until the end.
func awaitLine(r io.Reader, text string) error {
	var said strings.Builder
	b := bufio.NewReader(r)
	for {
		line, err := b.ReadString('\n')
		said.WriteString(line)
		if strings.Contains(line, text) {
			go func() { _, _ = io.Copy(io.Discard, b) }() // until the process ends
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: it says %s", err, said.String())
		}
	}
}

// reports waits for the end of all followers.
func reports(all []*follower) ([]followed, error) {
	got, errs := make([]followed, len(all)), make([]error, len(all))
	var wg sync.WaitGroup
	for i, f := range all {
		wg.Go(func() {
			err := f.cmd.Wait()
			if parsed := json.Unmarshal(f.out.Bytes(), &got[i]); parsed != nil {
				errs[i] = errors.Join(err, parsed)
			}
		})
	}
	wg.Wait()
	return got, errors.Join(errs...)
}

// verdict prints the sum of the reports, and returns an error if anything is missing.
func (c *cluster) verdict(stdout io.Writer, all []followed) error {
	var sum followed
	var worst, away, silence instant
	var faults []string
	for _, r := range all {
		sum.Connections.Opened += r.Connections.Opened
		m, s := &r.Messages, &sum.Messages
		s.Sent = max(s.Sent, m.Sent)
		s.Received += m.Received
		s.Missing += m.Missing
		s.Duplicated += m.Duplicated
		s.Reordered += m.Reordered
		sum.Follow.Reconnected += r.Follow.Reconnected
		sum.Follow.Gaps += r.Follow.Gaps
		worst.max(m.Latency)
		away.max(r.Follow.Away)
		silence.max(r.Follow.Silence)
		for _, f := range r.Faults {
			faults = append(faults, fmt.Sprintf("%d x %s %s", f.Count, f.Kind, f.Example))
		}
	}
	s := &sum.Messages
	s.Expected = s.Sent * sum.Connections.Opened
	fmt.Fprintf(stdout, "%d nodes, %d clients; node 1 was killed, and its clients went to the others\n", c.opts.nodes, sum.Connections.Opened)
	fmt.Fprintf(stdout, "  published                      %d\n", s.Sent)
	fmt.Fprintf(stdout, "  delivered                      %d of %d\n", s.Received, s.Expected)
	fmt.Fprintf(stdout, "  missing, twice, out of order   %d, %d, %d\n", s.Missing, s.Duplicated, s.Reordered)
	fmt.Fprintf(stdout, "  resumed at another node        %d, told of a gap %d\n", sum.Follow.Reconnected, sum.Follow.Gaps)
	fmt.Fprintf(stdout, "  without a connection           p50 %s, p99 %s, longest %s\n", away.text(0), away.text(1), away.text(2))
	fmt.Fprintf(stdout, "  latency, the slowest process   p50 %s, p99 %s, longest %s\n", worst.text(0), worst.text(1), worst.text(2))
	if s.Received != s.Expected || len(faults) > 0 || sum.Connections.Opened != int64(c.opts.n+1) || sum.Follow.Reconnected == 0 {
		return fmt.Errorf("the cluster lost something: %s", strings.Join(faults, "; "))
	}
	return nil
}

// max keeps the larger figures.
func (i *instant) max(o *instant) {
	if o != nil {
		i.P50, i.P99, i.Max = max(i.P50, o.P50), max(i.P99, o.P99), max(i.Max, o.Max)
	}
}

func (i *instant) text(which int) string {
	us := []float64{i.P50, i.P99, i.Max}[which]
	return (time.Duration(us) * time.Microsecond).Round(time.Millisecond).String()
}
