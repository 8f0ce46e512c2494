package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// comparison is a run under way.
type comparison struct {
	opt    *options
	prog   *programs
	report *report
	begun  time.Time
	log    io.Writer
	done   int // visits
	all    int
}

// compare makes all measurements. Progress goes to log.
func compare(ctx context.Context, opt *options, log io.Writer) (*report, error) {
	dir, err := os.MkdirTemp("", "fanfare-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	c := &comparison{opt: opt, report: newReport(opt), begun: time.Now(), log: log}
	fmt.Fprintln(log, "building the servers and fanfare-load ...")
	if c.prog, err = build(ctx, dir); err != nil {
		return nil, err
	}
	if err := c.report.describe(ctx, opt, c.prog.serve); err != nil {
		return nil, err
	}
	if opt.memory {
		c.all += len(opt.sizes()) * len(opt.servers)
	}
	if opt.echo {
		c.all += opt.rounds() * len(opt.loads()) * len(opt.servers)
	}
	if opt.memory {
		c.memory(ctx)
	}
	if opt.echo {
		c.echo(ctx)
	}
	c.report.Seconds = time.Since(c.begun).Seconds()
	return c.report, ctx.Err()
}

// progress says that one more visit is over.
func (c *comparison) progress(format string, args ...any) {
	c.done++
	fmt.Fprintf(c.log, "%3d of %d, %4.0f s  %s\n", c.done, c.all, time.Since(c.begun).Seconds(), fmt.Sprintf(format, args...))
}
