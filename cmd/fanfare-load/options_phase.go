package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
)

// phase is how fast messages are sent, and for how long.
type phase struct {
	flags    string   // the value of -then; "" for the first phase
	given    []string // names of the flags that were set
	duration time.Duration
	count    int64   // instead of duration; 0 for none
	rate     float64 // messages per second; 0 for an echo: the next message when an echo arrives
	window   int     // of a broadcast: messages in flight in total, instead of a rate
}

func (c *phase) forHowLong(fs *flag.FlagSet) {
	fs.DurationVar(&c.duration, "duration", 10*time.Second, "`time` during which to send")
	fs.Int64Var(&c.count, "count", 0, "number of `messages` to send, instead of -duration")
}

func (c *phase) howFast(fs *flag.FlagSet) {
	fs.Float64Var(&c.rate, "rate", 10, "`messages` per second, of all publishers together; latency counts from the time at\nwhich a message is due")
	fs.IntVar(&c.window, "window", 0, "number of `messages` in flight, instead of -rate: the next message is sent when all\nsubscribers have received one")
}

// total returns the number of messages to send at a rate.
func (c *phase) total() int64 {
	if c.count > 0 {
		return c.count
	}
	return max(1, int64(c.rate*c.duration.Seconds()))
}

// addThen parses a value of -then: the flags of another phase on the same connections.
func (o *options) addThen(text string) error {
	c := phase{flags: text}
	fs := flag.NewFlagSet("then", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	c.forHowLong(fs)
	c.howFast(fs)
	daemon.ExplainValues(fs)
	rest, err := parseMixed(fs, strings.Fields(text))
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q: only flags are allowed", rest[0])
	}
	if fs.NFlag() == 0 {
		return errors.New("it contains no flag")
	}
	fs.Visit(func(f *flag.Flag) { c.given = append(c.given, f.Name) })
	o.then = append(o.then, c)
	return nil
}

// phases returns all phases of the run.
func (o *options) phases() []phase { return append([]phase{o.phase}, o.then...) }

// set reports whether a flag was given.
func (c *phase) set(flag string) bool { return slices.Contains(c.given, flag) }

// validate returns an error for flags that a load with those options cannot have.
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
		return errors.New("-duration is 0; set -duration above 0, or -count")
	case !o.broadcasts():
		return nil
	case c.window > 0 && c.set("rate"):
		return errors.New("-window and -rate exclude each other: a window sends as fast as subscribers receive")
	case c.window > 0 && c.window < o.publishers:
		return fmt.Errorf("-window is %d; it must be at least the number of publishers, %d", c.window, o.publishers)
	case c.window == 0 && c.rate == 0:
		return errors.New("-rate is 0; set -rate above 0, or -window")
	}
	return nil
}

// largestWindow returns the largest window of all phases.
func (o *options) largestWindow() (most int) {
	for _, c := range o.phases() {
		most = max(most, c.window)
	}
	return most
}
