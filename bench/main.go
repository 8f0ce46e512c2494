// Command bench compares Fanfare with other WebSocket servers on this machine:
//
//	go run -C bench . memory   memory for each connection, of the process and the kernel
//	go run -C bench . echo     messages per second, processor time and latency
//	go run -C bench . broadcast, churn, simulate
//	go run -C bench . all      all of them
//	go run -C bench . check    fails if Fanfare has become heavier
//
// Each server is a process of its own; all are loaded by fanfare-load, which checks
// every message. README.md says what the figures mean.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
)

// A child is killed when the thread that started it ends, so that one must live as
// long as the program: it is the main thread.
func init() { runtime.LockOSThread() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: it returns the exit status, which is 0 if all rows are ranked,
// 1 if some are not or the run was interrupted, and 2 if the arguments are wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opt, err := parseArgs(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	r, err := compare(ctx, opt, stderr)
	if err == nil {
		err = r.publish(opt, stdout)
	}
	var worse []string
	if err == nil && opt.check {
		worse, err = r.check(opt.results, stdout)
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "bench: interrupted; nothing was written and no process is left")
		return 1
	case err != nil:
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	case len(worse) > 0:
		fmt.Fprintf(stderr, "bench: more than 10 %% worse than recorded:\n  %s\n", strings.Join(worse, "\n  "))
		return 1
	case !r.clean():
		fmt.Fprintln(stderr, "bench: some servers lost or refused something: their rows are not ranked")
		return 1
	}
	return 0
}
