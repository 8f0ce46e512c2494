package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// phase is how messages are sent, and for how long.
type phase struct {
	flags    string   // as -then says them; "" for the first
	given    []string // names of the flags that were set
	duration time.Duration
	count    int64   // instead of duration; 0 for none
	rate     float64 // messages per second; 0 of an echo: as fast as they come back
	window   int     // of a broadcast, in all: messages under way, instead of at a rate
}

func (c *phase) forHowLong(fs *flag.FlagSet) {
	fs.DurationVar(&c.duration, "duration", 10*time.Second, "`time` to send for")
	fs.Int64Var(&c.count, "count", 0, "`messages` to send in all, instead of for a time")
}

func (c *phase) howFast(fs *flag.FlagSet) {
	fs.Float64Var(&c.rate, "rate", 10, "`messages` per second, over all publishers; latency counts from the time at\nwhich a message is due")
	fs.IntVar(&c.window, "window", 0, "instead of at a -rate: as fast as it goes with this many `messages` under way;\none is done when all subscribers have it")
}

// total returns the number of messages to send at the rate.
func (c *phase) total() int64 {
	if c.count > 0 {
		return c.count
	}
	return max(1, int64(c.rate*c.duration.Seconds()))
}

// addThen is the value of -then: flags of a phase that follows on the same connections.
func (o *options) addThen(text string) error {
	c := phase{flags: text}
	fs := flag.NewFlagSet("then", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	c.forHowLong(fs)
	c.howFast(fs)
	rest, err := parseMixed(fs, strings.Fields(text))
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("%q is no flag", rest[0])
	}
	if fs.NFlag() == 0 {
		return errors.New("it has no flag")
	}
	fs.Visit(func(f *flag.Flag) { c.given = append(c.given, f.Name) })
	o.then = append(o.then, c)
	return nil
}

// phases are the first, and those that follow.
func (o *options) phases() []phase { return append([]phase{o.phase}, o.then...) }

// set reports whether a flag was given.
func (c *phase) set(flag string) bool { return slices.Contains(c.given, flag) }

// validate reports what has no meaning, in a load with those options.
func (c *phase) validate(o *options) error {
	err := inRange([]bounds{
		{"count", float64(c.count), 0, 1 << 53, true},
		{"rate", c.rate, 0, 1e8, true},
		{"window", float64(c.window), 0, 1 << 20, true},
	})
	switch {
	case err != nil:
		return err
	case c.duration < 0:
		return fmt.Errorf("-duration is %v; it must be at least 0s", c.duration)
	case c.set("count") && c.set("duration"):
		return errors.New("-count and -duration exclude each other")
	case o.command != "idle" && c.count == 0 && c.duration == 0:
		return errors.New("-duration is 0; say for how long, or with -count how many")
	case !o.broadcasts():
		return nil
	case c.window > 0 && c.set("rate"):
		return errors.New("-window and -rate exclude each other: a window is as fast as it goes")
	case c.window > 0 && c.window < o.publishers:
		return fmt.Errorf("-window is %d; with %d publishers it must be at least that", c.window, o.publishers)
	case c.window == 0 && c.rate == 0:
		return errors.New("-rate is 0; say how many messages per second, or -window for as fast as it goes")
	}
	return nil
}

// largestWindow is the largest window of all phases.
func (o *options) largestWindow() (most int) {
	for _, c := range o.phases() {
		most = max(most, c.window)
	}
	return most
}
