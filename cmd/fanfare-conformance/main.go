package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

type options struct {
	url     string
	prefix  string
	verbose bool
	list    bool
	atOnce  int
	timeout time.Duration
}

func parseOptions(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("conformance", flag.ContinueOnError)
	f.SetOutput(io.Discard) // an error is told by run, and without all of the help
	f.StringVar(&o.url, "url", "", "judge the echo server at `ws://host:port/path`; an own one if empty")
	f.StringVar(&o.prefix, "run", "", "run only cases whose number begins with `prefix`, 6.4. for one")
	f.BoolVar(&o.verbose, "v", false, "show the first bytes of failed cases, in hexadecimal digits")
	f.BoolVar(&o.list, "list", false, "list the cases and run none")
	f.IntVar(&o.atOnce, "parallel", 4*runtime.GOMAXPROCS(0), "run so `many` cases at a time")
	f.DurationVar(&o.timeout, "timeout", 10*time.Second, "wait so `long` for what has to come on a connection")
	if err = f.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(stderr, "Judges a WebSocket echo server, case by case. Flags:")
		f.SetOutput(stderr)
		f.PrintDefaults()
	}
	if err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("no arguments are taken, but there is %q", f.Arg(0))
	case o.atOnce < 1:
		return o, fmt.Errorf("-parallel is %d; it must be at least 1", o.atOnce)
	case o.timeout <= 0:
		return o, fmt.Errorf("-timeout is %v; it must be above 0", o.timeout)
	}
	return o, nil
}

// run is main with its surroundings as arguments. It returns the exit status: 1 if
// a case failed, 2 if nothing could be judged.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		var bad int
		if bad, err = o.run(stdout); err == nil {
			return min(bad, 1)
		}
	}
	fmt.Fprintln(stderr, "conformance:", err)
	return 2
}

func (o *options) run(stdout io.Writer) (failed int, err error) {
	var cases []*Case
	for _, c := range allCases() {
		if strings.HasPrefix(c.ID, o.prefix) {
			cases = append(cases, c)
		}
	}
	if len(cases) == 0 {
		return 0, fmt.Errorf("no case has a number that begins with %q", o.prefix)
	}
	if o.list {
		for _, c := range cases {
			fmt.Fprintf(stdout, "%s\t%s (%s)\n", c.ID, c.What, clause(c.Clause))
		}
		return 0, nil
	}
	j := newJudge(o.timeout)
	if o.url != "" {
		if j.targets.foreign, err = parseTarget(o.url); err != nil {
			return 0, err
		}
	}
	var r report
	j.all(cases, o.atOnce, r.add)
	r.write(stdout, cases, o.verbose)
	if r.notRun() == 2*len(cases) {
		return 0, errors.New("none of them could be run")
	}
	return len(r.failed(cases)), j.targets.shutdown()
}
