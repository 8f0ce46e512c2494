package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
)

// Exit statuses.
const (
	exitOK    = 0 // nothing was lost, wrong or refused
	exitFault = 1 // something was, or a threshold was met, or the run was interrupted
	exitUsage = 2 // the run could not start: bad arguments, or the machine's limits
)

// run is the program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	p := &program{stdout: stdout, stderr: stderr, limits: readLimits}
	return p.run(ctx, args)
}

// program is the environment of run. Tests set limits of their own.
type program struct {
	stdout, stderr io.Writer
	limits         func() limits
}

// usageError is an error in the arguments or in the machine's configuration. The run did not start.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func badUsage(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

func (p *program) run(ctx context.Context, args []string) int {
	cmd, opt, err := parseArgs(args, p.stdout)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		return p.fail("", err)
	}
	l, err := newLoad(ctx, opt, p)
	if err != nil {
		return p.fail(cmd.name, err)
	}
	l.finish(ctx, cmd.run(l, ctx))
	if err := l.report.print(p.stdout, opt.json); err != nil {
		return p.fail(cmd.name, err)
	}
	if !l.report.OK {
		return exitFault
	}
	return exitOK
}

// fail prints an error and returns the exit status.
func (p *program) fail(command string, err error) int {
	name := "fanfare-load"
	if command != "" {
		name += " " + command
	}
	fmt.Fprintf(p.stderr, "%s: %v\n", name, err)
	var dns *net.DNSError
	if !errors.As(err, new(usageError)) || errors.As(err, &dns) {
		return exitFault
	}
	return exitUsage
}
