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

	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
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

const usage = `Usage: fanfare-conformance [flags]

Tests a WebSocket echo server against RFC 6455 and RFC 7692, and prints a table of results.
Exit status: 0 if all cases passed, 1 if one failed, 2 if no case could be run.

Flags:
`

func parseOptions(args []string, stdout io.Writer) (o options, err error) {
	f := flag.NewFlagSet("fanfare-conformance", flag.ContinueOnError)
	f.SetOutput(io.Discard) // run prints the error, without the whole help
	f.StringVar(&o.url, "url", "", "test the echo server at `ws://host:port/path`, instead of a wsproto.Server of this program")
	f.StringVar(&o.prefix, "run", "", "run only the cases whose number has this `prefix`, such as 6.4.")
	f.BoolVar(&o.verbose, "v", false, "show the first bytes of failed cases in hexadecimal")
	f.BoolVar(&o.list, "list", false, "list the cases without running them")
	f.IntVar(&o.atOnce, "parallel", 4*runtime.GOMAXPROCS(0), "`number` of cases to run at a time")
	f.DurationVar(&o.timeout, "timeout", 10*time.Second, "longest `time` for a case on its connection")
	daemon.ExplainValues(f)
	if err = f.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		f.SetOutput(stdout)
		f.PrintDefaults()
	}
	if err != nil {
		return o, daemon.FlagError(err)
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q: only flags are allowed", f.Arg(0))
	case o.atOnce < 1:
		return o, fmt.Errorf("-parallel is %d; it must be at least 1", o.atOnce)
	case o.timeout <= 0:
		return o, fmt.Errorf("-timeout is %v; it must be above 0", o.timeout)
	}
	return o, nil
}

// run is the program. It returns the exit status: 1 if a case failed, 2 if no case could be run.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		var bad int
		if bad, err = o.run(stdout); err == nil {
			return min(bad, 1)
		}
	}
	fmt.Fprintln(stderr, "fanfare-conformance:", err)
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
		return 0, fmt.Errorf("-run: no case has a number with the prefix %q", o.prefix)
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
		return 0, errors.New("no case could be run on this server")
	}
	return len(r.failed(cases)), j.targets.shutdown()
}
