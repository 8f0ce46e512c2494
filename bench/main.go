// Command bench compares Fanfare with other WebSocket servers on this machine:
//
//	go run -C bench . memory       # memory per connection, of the process and of the kernel
//	go run -C bench . echo         # messages per second, CPU time and latency
//	go run -C bench . broadcast    # the same for deliveries to subscribers
//	go run -C bench . churn        # connections opened and closed per second
//	go run -C bench . simulate     # the hub with up to 10 million subscribers without sockets
//	go run -C bench . all          # all of these
//	go run -C bench . floor        # cmd/fanfare compared with a bare loop of system calls
//	go run -C bench . compression  # CPU time and sizes of compressed messages, beside gws and zlib
//	go run -C bench . cluster      # nodes joined by NATS, of which one is killed under load
//	go run -C bench . check        # fails if Fanfare needs more memory or instructions than recorded
//	go run -C bench . figures      # measures Fanfare's memory again and writes it into README.md
//	go run -C bench . report       # writes the recorded report again
//
// Each server is a process of its own. fanfare-load puts load on it and checks every message. README.md explains the
// figures.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills the process
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns the exit status: 0 if all rows are ranked, 1 if some are not or the run failed or was
// interrupted, and 2 if the arguments are wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	task, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	err = task.run(ctx, stdout, stderr)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "bench: interrupted; nothing was written, and all processes have ended")
		return 1
	case err != nil:
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// task is the task that the arguments describe. It writes progress to log.
type task interface {
	run(ctx context.Context, stdout, log io.Writer) error
}

func parse(args []string, out io.Writer) (task, error) {
	if len(args) > 0 {
		switch args[0] {
		case "floor":
			return parseFloorArgs(args[1:], out)
		case "cluster":
			return parseClusterArgs(args[1:], out)
		case "compression":
			return parseCompressionArgs(args[1:], out)
		case "report", "figures":
			return parseRedraw(args[0], args[1:], out)
		}
	}
	return parseArgs(args, out)
}

// run makes the comparison. It returns an error if some rows are not ranked.
func (o *options) run(ctx context.Context, stdout, log io.Writer) error {
	r, err := compare(ctx, o, log)
	if err != nil {
		return err
	}
	if err := r.publish(o, stdout); err != nil {
		return err
	}
	if o.check {
		if err := o.guard(ctx, r, stdout, log); err != nil {
			return err
		}
	}
	return r.verdict()
}
