package main

import (
	"flag"
	"fmt"
	"io"
	"time"
)

// floorOptions holds the values of the flags of the subcommand floor.
type floorOptions struct {
	n, idle, size, rounds, window int
	rate                          float64
	duration, rest                time.Duration
	quick                         bool
	json                          string // file
}

func parseFloorArgs(args []string, out io.Writer) (*floorOptions, error) {
	o := new(floorOptions)
	f := flag.NewFlagSet("floor", flag.ContinueOnError)
	f.IntVar(&o.n, "n", 10_000, "number of `subscribers` of a broadcast")
	f.IntVar(&o.idle, "idle", 18_000, "number of `connections` at rest whose memory is measured")
	f.Float64Var(&o.rate, "rate", 10, "`messages` per second of the paced broadcast")
	f.IntVar(&o.size, "size", 128, "size of a message, in `bytes`, except in the echo of 64 KiB")
	f.DurationVar(&o.duration, "duration", 2*time.Second, "`time` of each load, in each round")
	f.DurationVar(&o.rest, "rest", 5*time.Second, "`time` after which the memory of connections at rest is measured; Fanfare collects the garbage of a crowd of handshakes when it is over")
	f.IntVar(&o.rounds, "rounds", 5, "`number` of rounds")
	f.IntVar(&o.window, "window", 64, "number of `messages` in flight in the broadcast without a pace")
	f.BoolVar(&o.quick, "quick", false, "one round, short loads and fewer connections: a minute instead of 10")
	f.StringVar(&o.json, "json", "", "also write the figures to this `file`")
	if err := parseFlags(f, "Usage: go run -C bench . floor [flags]\n", args, out); err != nil {
		return nil, err
	}
	if o.quick {
		o.shorten(f)
	}
	return o, o.check()
}

// shorten sets the values of a quick run where f has none.
func (o *floorOptions) shorten(f *flag.FlagSet) {
	setOthers(f, map[string]func(){
		"n":        func() { o.n = 1000 },
		"idle":     func() { o.idle = 5000 },
		"rate":     func() { o.rate = 50 },
		"duration": func() { o.duration = 700 * time.Millisecond },
		"rounds":   func() { o.rounds = 1 },
	})
}

// check does not check what fanfare-load checks.
func (o *floorOptions) check() error {
	switch {
	case o.n < 1:
		return fmt.Errorf("-n is %d; it must be at least 1", o.n)
	case o.idle < 1:
		return fmt.Errorf("-idle is %d; it must be at least 1", o.idle)
	case !(o.rate > 0):
		return fmt.Errorf("-rate is %v; it must be above 0", o.rate)
	case o.duration <= 0:
		return fmt.Errorf("-duration is %v; it must be above 0", o.duration)
	case o.rest <= 0:
		return fmt.Errorf("-rest is %v; it must be above 0", o.rest)
	case o.rounds < 1:
		return fmt.Errorf("-rounds is %d; it must be at least 1", o.rounds)
	case o.window < 2:
		return fmt.Errorf("-window is %d; it must be at least 2, because it is compared with 1", o.window)
	}
	return nil
}
