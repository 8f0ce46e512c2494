// Command floor measures how near Fanfare's broadcast comes to what a broadcast costs
// at least:
//
//	go run -C bench ./floor -n 10000 -rate 10 -size 128 -duration 10s
//
// The floor is a loop over all sockets, on one thread, with one write(2) for each: no
// frames to parse but the publisher's, no queues, no limits. Both servers are processes
// of their own and have the same client, fanfare-load broadcast, in turns.
//
// It prints the processor time for each delivery, user and system, of both; the median
// latency of both, beside the time that the loop takes from its first write to its
// last; and how many deliveries Fanfare makes in a second, and for how much of the
// processor each, with many messages under way and with one.
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
	"syscall"
)

// A child is killed when the thread that started it ends, so that one must live as
// long as the program: it is the main thread.
func init() { runtime.LockOSThread() }

func main() {
	if len(os.Args) == 3 && os.Args[1] == serveArg {
		fmt.Fprintln(os.Stderr, "floor:", serve(os.Args[2], os.Stdout))
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: it returns the exit status, which is 1 if a server lost anything
// or the run was interrupted, and 2 if the arguments are wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opt, err := parseArgs(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "floor:", err)
		return 2
	}
	r, err := measure(ctx, opt, stderr)
	if err == nil {
		err = r.publish(opt, stdout)
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "floor: interrupted; nothing was written and no process is left")
		return 1
	case err != nil:
		fmt.Fprintln(stderr, "floor:", err)
		return 1
	}
	return 0
}
