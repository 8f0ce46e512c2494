package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// comparison is a run in progress.
type comparison struct {
	opt    *options
	prog   *programs
	report *report
	begun  time.Time
	log    io.Writer
	tty    bool // log is a terminal
	done   int  // visits
	all    int
}

// compare makes all measurements. It writes progress to log.
func compare(ctx context.Context, opt *options, log io.Writer) (*report, error) {
	dir, err := os.MkdirTemp("", "fanfare-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	c := &comparison{opt: opt, report: newReport(opt), log: log, tty: isTerminal(log)}
	fmt.Fprintln(log, "building the servers and fanfare-load ...")
	if c.prog, err = build(ctx, dir); err != nil {
		return nil, err
	}
	c.install(ctx)
	c.begun = time.Now() // after the build, which can take a minute
	if err := c.report.describe(ctx, opt, c.prog.serve); err != nil {
		return nil, err
	}
	jobs := opt.jobs()
	for i := range jobs {
		c.all += len(c.takers(&jobs[i])) * opt.rounds()
	}
	var sizes []int
	if slices.Contains(opt.kinds, simulation) {
		sizes = opt.simulations()
	}
	c.all += len(sizes) * opt.rounds()
	bounded, cancel := context.WithDeadlineCause(ctx, c.begun.Add(opt.most()), errTimeUp)
	defer cancel()
	for _, n := range sizes {
		if err := c.simulate(bounded, n); err != nil && !errors.Is(err, errTimeUp) {
			return nil, err
		}
	}
	c.measure(bounded, jobs)
	c.report.Seconds = time.Since(c.begun).Seconds()
	return c.report, ctx.Err()
}

// install builds the programs of other modules. Without one, the rows of its server say why it is missing.
func (c *comparison) install(ctx context.Context) {
	for i := range c.opt.servers {
		if s := &c.opt.servers[i]; s.Program != "" {
			fmt.Fprintf(c.log, "building %s %s ...\n", s.Name, s.Program)
			if _, err := c.prog.install(ctx, s); err != nil {
				fmt.Fprintln(c.log, err)
			}
		}
	}
}

// progress prints a line for a visit that is over and, on a terminal, the time that is left.
func (c *comparison) progress(format string, args ...any) {
	c.done++
	c.say("%3d of %d, %4.0f s  %s", c.done, c.all, time.Since(c.begun).Seconds(), fmt.Sprintf(format, args...))
}

// say prints a line above the bar.
func (c *comparison) say(format string, args ...any) {
	if c.tty {
		fmt.Fprint(c.log, clearLine)
	}
	fmt.Fprintf(c.log, format+"\n", args...)
	c.bar()
}

const clearLine = "\r\x1b[K"

// bar prints the bar below the lines of progress on a terminal.
func (c *comparison) bar() {
	if !c.tty || c.done >= c.all {
		return
	}
	const width = 40
	full, gone := width*c.done/c.all, time.Since(c.begun)
	left := ""
	if c.done > 0 {
		left = fmt.Sprintf(", about %v left", time.Duration(float64(gone)/float64(c.done)*float64(c.all-c.done)).Round(time.Second))
	}
	fmt.Fprintf(c.log, "%s[%s%s] %v%s", clearLine, strings.Repeat("#", full), strings.Repeat(".", width-full), gone.Round(time.Second), left)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
