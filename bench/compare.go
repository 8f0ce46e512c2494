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

// comparison is a run under way.
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

// compare makes all measurements. Progress goes to log.
func compare(ctx context.Context, opt *options, log io.Writer) (*report, error) {
	dir, err := os.MkdirTemp("", "fanfare-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	c := &comparison{opt: opt, report: newReport(opt), begun: time.Now(), log: log, tty: isTerminal(log)}
	fmt.Fprintln(log, "building the servers and fanfare-load ...")
	if c.prog, err = build(ctx, dir); err != nil {
		return nil, err
	}
	if err := c.report.describe(ctx, opt, c.prog.serve); err != nil {
		return nil, err
	}
	errands := opt.errands()
	for i := range errands {
		c.all += len(c.takers(&errands[i])) * opt.rounds()
	}
	var sizes []int
	if slices.Contains(opt.kinds, simulation) {
		sizes = opt.simulations()
	}
	c.all += len(sizes) * opt.rounds()
	bounded, cancel := context.WithDeadlineCause(ctx, c.begun.Add(opt.most()), errTimeUp)
	defer cancel()
	c.measure(bounded, errands)
	for _, n := range sizes {
		if err := c.simulate(bounded, n); err != nil && !errors.Is(err, errTimeUp) {
			return nil, err
		}
	}
	c.report.Seconds = time.Since(c.begun).Seconds()
	return c.report, ctx.Err()
}

// progress says that one more visit is over, and on a terminal what is left.
func (c *comparison) progress(format string, args ...any) {
	c.done++
	gone := time.Since(c.begun)
	line := fmt.Sprintf("%3d of %d, %4.0f s  %s\n", c.done, c.all, gone.Seconds(), fmt.Sprintf(format, args...))
	if c.tty {
		const width, clearLine = 40, "\r\x1b[K"
		full := width * c.done / c.all
		left := time.Duration(float64(gone) / float64(c.done) * float64(c.all-c.done))
		line = clearLine + line
		if c.done < c.all {
			line += fmt.Sprintf("[%s%s] %v left", strings.Repeat("#", full), strings.Repeat(".", width-full), left.Round(time.Second))
		}
	}
	fmt.Fprint(c.log, line)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
