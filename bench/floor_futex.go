package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// futexCalls is the number of futex(2) calls of a server per message.
const futexCalls figure = "futex_calls_each"

// countFutex counts futex calls of the pairs that ask for it. It does so after the rounds, because while the kernel counts
// them, every system call on the machine takes longer. Without perf(1), or permission for it, it explains so and counts nothing.
func (f *floor) countFutex(ctx context.Context, dir string) {
	perf, err := exec.LookPath("perf")
	if err != nil {
		fmt.Fprintln(f.log, "futex calls are not counted: perf is not installed")
		return
	}
	file := filepath.Join(dir, "futex")
	for _, e := range f.pairs {
		if !e.futex {
			continue
		}
		for _, s := range []*side{&e.other, &e.mine} {
			each, err := f.futexEach(ctx, e, s, perf, file)
			if err != nil {
				fmt.Fprintf(f.log, "futex calls are not counted: %v\n", err)
				return
			}
			s.values[0][futexCalls] = []float64{each}
		}
	}
}

func (f *floor) futexEach(ctx context.Context, e *pair, s *side, perf, file string) (each float64, err error) {
	err = f.serve(ctx, s, func(ctx context.Context, c *child) error {
		counting := []string{perf, "stat", "-x,", "-o", file, "-e", "syscalls:sys_enter_futex", "-p", strconv.Itoa(c.cmd.Process.Pid), "--"}
		got, err := f.prog.askWith(ctx, counting, c, append(e.args[:len(e.args):len(e.args)], s.target(c)...)...)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		calls, err := parsePerfStat(b)
		if err != nil || got.Messages == nil || got.Messages.Sent == 0 {
			return fmt.Errorf("perf stat: %w", err)
		}
		each = calls / float64(got.Messages.Sent)
		return nil
	})
	return each, err
}

// parsePerfStat returns the count in the output of perf stat -x, with one event.
func parsePerfStat(b []byte) (float64, error) {
	for line := range bytes.Lines(b) {
		if count, _, ok := bytes.Cut(line, []byte(",")); ok && line[0] != '#' {
			if string(count) == "<not counted>" { // the event did not occur
				return 0, nil
			}
			return strconv.ParseFloat(string(count), 64)
		}
	}
	return 0, fmt.Errorf("no count in %q", b)
}
