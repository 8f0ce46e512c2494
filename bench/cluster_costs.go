package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// publishing is what publishing cost the node at which it was done.
type publishing struct {
	micros float64 // CPU time for each message
	p50    time.Duration
}

// costs measures what publishing costs a node, with no subscriber and with many at another node, in turns.
func (c *cluster) costs(ctx context.Context, stdout io.Writer) error {
	const rounds = 3
	fmt.Fprintf(c.log, "publishing %d messages %d times, without subscribers and with %d\n", c.opts.cost, 2*rounds, c.opts.subscribers)
	var alone, crowded []publishing
	for range rounds {
		p, err := c.cost(ctx)
		if err != nil {
			return err
		}
		alone = append(alone, p)
		if p, err = c.crowdedCost(ctx); err != nil {
			return err
		}
		crowded = append(crowded, p)
	}
	a, b := middle(alone), middle(crowded)
	fmt.Fprintf(stdout, "publishing costs a node, for each of %d messages in flight (medians of %d)\n", inFlight, rounds)
	fmt.Fprintf(stdout, "  without subscribers            %6.1f us of CPU time, acknowledged after %v (median)\n", a.micros, a.p50)
	fmt.Fprintf(stdout, "  with %5d at another node      %6.1f us of CPU time, acknowledged after %v (median)\n", c.opts.subscribers, b.micros, b.p50)
	fmt.Fprintf(stdout, "  ratio of CPU time              %6.2f\n", b.micros/a.micros)
	return nil
}

func middle(all []publishing) publishing {
	slices.SortFunc(all, func(a, b publishing) int {
		if a.micros < b.micros {
			return -1
		}
		return 1
	})
	return all[len(all)/2]
}

// crowdedCost is cost with subscribers at another node.
func (c *cluster) crowdedCost(ctx context.Context) (publishing, error) {
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := command(run, c.programs.load, "idle", "-n", fmt.Sprint(c.opts.subscribers), "-hold", "10m", "ws://"+c.nodes[0].addr+"/topics/load")
	var out bytes.Buffer
	cmd.Stdout = &out
	notes, err := cmd.StderrPipe()
	if err != nil {
		return publishing{}, err
	}
	if err := cmd.Start(); err != nil {
		return publishing{}, err
	}
	defer func() {
		cancel()
		_ = cmd.Wait() // it is killed
	}()
	if err := awaitLine(notes, "holding"); err != nil {
		return publishing{}, fmt.Errorf("the subscribers: %w", err)
	}
	return c.cost(ctx)
}

// inFlight is how many messages are published at a time: with one at a time, the CPU time would be that of threads which wait for
// work, and that depends on how long the answers take.
const inFlight = 16

// cost publishes at the last node.
func (c *cluster) cost(ctx context.Context) (p publishing, err error) {
	n := c.nodes[len(c.nodes)-1]
	before, err := cpuOf(n.cmd.Process.Pid)
	if err != nil {
		return p, err
	}
	took := make([]time.Duration, c.opts.cost)
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, inFlight)
	for range inFlight {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(took)); i = next.Add(1) - 1 {
				begun := time.Now()
				if err := publishAt(ctx, n.addr); err != nil {
					errs <- err
					return
				}
				took[i] = time.Since(begun)
			}
		})
	}
	wg.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return p, err
	}
	after, err := cpuOf(n.cmd.Process.Pid)
	slices.Sort(took)
	return publishing{(after - before) / 1e3 / float64(len(took)), took[len(took)/2].Round(time.Microsecond)}, err
}

// publisher keeps its connections.
var publisher = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: inFlight}}

func publishAt(ctx context.Context, addr string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/topics/load", strings.NewReader(`"cost"`))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := publisher.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("publishing: %s: %s", resp.Status, body)
	}
	return err
}
