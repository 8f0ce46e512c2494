package main

import (
	"flag"
	"fmt"
	"io"
	"time"
)

// floorOptions holds the values of the flags of the subcommand floor.
type floorOptions struct {
	n, size, rounds, window int
	rate                    float64
	duration                time.Duration
	json                    string // file
}

func parseFloorArgs(args []string, out io.Writer) (*floorOptions, error) {
	o := new(floorOptions)
	f := flag.NewFlagSet("floor", flag.ContinueOnError)
	f.IntVar(&o.n, "n", 10_000, "number of `subscribers`")
	f.Float64Var(&o.rate, "rate", 10, "`messages` per second")
	f.IntVar(&o.size, "size", 128, "size of a message, in `bytes`")
	f.DurationVar(&o.duration, "duration", 10*time.Second, "`time` during which to send, in each round")
	f.IntVar(&o.rounds, "rounds", 3, "`number` of rounds")
	f.IntVar(&o.window, "window", 64, "number of `messages` in flight when Fanfare is saturated")
	f.StringVar(&o.json, "json", "", "also write the figures to this `file`")
	if err := parseFlags(f, "Usage: go run -C bench . floor [flags]\n", args, out); err != nil {
		return nil, err
	}
	return o, o.check()
}

// check does not check what fanfare-load checks.
func (o *floorOptions) check() error {
	switch {
	case o.n < 1:
		return fmt.Errorf("-n is %d; it must be at least 1", o.n)
	case !(o.rate > 0):
		return fmt.Errorf("-rate is %v; it must be above 0", o.rate)
	case o.duration <= 0:
		return fmt.Errorf("-duration is %v; it must be above 0", o.duration)
	case o.rounds < 1:
		return fmt.Errorf("-rounds is %d; it must be at least 1", o.rounds)
	case o.window < 2:
		return fmt.Errorf("-window is %d; it must be at least 2, because it is compared with 1", o.window)
	}
	return nil
}
