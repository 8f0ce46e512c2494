package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

// clusterOptions holds the values of the flags of the subcommand cluster.
type clusterOptions struct {
	nodes, empty, n int
	rate            float64
	duration        time.Duration
	cost            int
	subscribers     int
	quick           bool
}

func parseClusterArgs(args []string, out io.Writer) (*clusterOptions, error) {
	o := new(clusterOptions)
	f := flag.NewFlagSet("cluster", flag.ContinueOnError)
	f.IntVar(&o.nodes, "nodes", 11, "`number` of nodes that have clients, or get those of the node that is killed")
	f.IntVar(&o.empty, "empty", 0, "`number` of them that have no clients at first")
	f.IntVar(&o.n, "n", 180_000, "number of `clients`, spread over the other nodes; a process has at most 20,000 descriptors")
	f.Float64Var(&o.rate, "rate", 0.25, "`messages` per second")
	f.DurationVar(&o.duration, "duration", time.Minute, "`time` during which to publish; a node is killed after a third of it")
	f.IntVar(&o.cost, "cost", 3000, "number of `messages` with which to measure what publishing costs a node")
	f.IntVar(&o.subscribers, "subscribers", 5000, "number of `subscribers` at another node that these messages have")
	f.BoolVar(&o.quick, "quick", false, "3 nodes, 1,500 clients, 10 seconds")
	if err := parseFlags(f, "Usage: go run -C bench . cluster [flags]\n", args, out); err != nil {
		return nil, err
	}
	if o.quick {
		setOthers(f, map[string]func(){
			"nodes":       func() { o.nodes = 3 },
			"n":           func() { o.n = 1500 },
			"rate":        func() { o.rate = 10 },
			"duration":    func() { o.duration = 10 * time.Second },
			"cost":        func() { o.cost = 500 },
			"subscribers": func() { o.subscribers = 200 },
		})
	}
	return o, o.check()
}

func (o *clusterOptions) check() error {
	switch full := o.nodes - o.empty; {
	case o.nodes < 2:
		return fmt.Errorf("-nodes is %d; it must be at least 2, because one is killed", o.nodes)
	case o.empty < 0 || full < 1:
		return fmt.Errorf("-empty is %d; it must be from 0 to %d, one less than -nodes", o.empty, o.nodes-1)
	case o.n < full:
		return fmt.Errorf("-n is %d; it must be at least %d, one client for each node", o.n, full)
	case !(o.rate > 0):
		return fmt.Errorf("-rate is %v; it must be above 0", o.rate)
	case o.duration < 3*time.Second:
		return fmt.Errorf("-duration is %v; it must be at least 3s", o.duration)
	case o.cost < 1 || o.subscribers < 1:
		return fmt.Errorf("-cost is %d and -subscribers %d; both must be at least 1", o.cost, o.subscribers)
	}
	return nil
}

// run starts the cluster, measures what publishing costs, and kills a node under load.
func (o *clusterOptions) run(ctx context.Context, stdout, log io.Writer) error {
	dir, err := os.MkdirTemp("", "fanfare-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	fmt.Fprintln(log, "building")
	p, err := build(ctx, dir)
	if err != nil {
		return err
	}
	c := &cluster{opts: o, dir: dir, programs: p, log: log}
	defer c.stop()
	if err := c.start(ctx); err != nil {
		return err
	}
	if err := c.costs(ctx, stdout); err != nil {
		return err
	}
	return c.crowd(ctx, stdout)
}
