package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// compressionOptions holds the values of the flags of the subcommand compression.
type compressionOptions struct {
	rounds     int
	duration   time.Duration
	takeover   bool
	json, text string // files
}

const compressionUsage = `Usage: go run -C bench . compression [flags]

Prints the CPU time of an echo of a compressed message and the size of the echo, for levels and windows, of Fanfare, gws and zlib.

`

func parseCompressionArgs(args []string, out io.Writer) (*compressionOptions, error) {
	o := new(compressionOptions)
	f := flag.NewFlagSet("compression", flag.ContinueOnError)
	f.IntVar(&o.rounds, "rounds", 3, "`number` of rounds; the least CPU time counts")
	f.DurationVar(&o.duration, "duration", 200*time.Millisecond, "`time` for which to send messages of one kind, in each round")
	f.BoolVar(&o.takeover, "takeover", false, "with context takeover; then the messages follow each other in their source")
	f.StringVar(&o.json, "json", "", "JSON to cut messages from, of 160 KiB or more, instead of a made-up report of the Autobahn test suite: a `file`")
	f.StringVar(&o.text, "text", "", "text to cut messages from, of 160 KiB or more, instead of Newton's Opticks, which comes with Go: a `file`")
	if err := parseFlags(f, compressionUsage, args, out); err != nil {
		return nil, err
	}
	switch {
	case o.rounds < 1:
		return nil, fmt.Errorf("-rounds is %d; it must be at least 1", o.rounds)
	case o.duration <= 0:
		return nil, fmt.Errorf("-duration is %v; it must be above 0", o.duration)
	}
	return o, nil
}

// echoCost is what an echo of a message costs.
type echoCost struct {
	micros float64 // of CPU time
	ratio  float64 // of the bytes that are sent and those of the message
}

func (c echoCost) String() string { return fmt.Sprintf("%.1f µs %.1f %%", c.micros, 100*c.ratio) }

// run prints both tables.
func (o *compressionOptions) run(ctx context.Context, stdout, log io.Writer) error {
	dir, err := os.MkdirTemp("", "fanfare-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintln(log, "building the servers ...")
	p, err := build(ctx, dir)
	if err != nil {
		return err
	}
	kinds, err := o.corpora(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, "\nLevels, with a window of 15 bits. zlib decompresses and compresses in Python, without a server.")
	var all []servers.Compressing
	for _, level := range []int{1, 2, 3, 4, 5, 6, 7, 9} {
		all = append(all, servers.Compressing{Library: "fanfare", Level: level, Bits: 15, Takeover: o.takeover})
	}
	for _, level := range []int{1, 5} {
		all = append(all, servers.Compressing{Library: "gws", Level: level, Bits: 15, Takeover: o.takeover})
	}
	if err := o.table(ctx, p, kinds, all, true, stdout, log); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "\nWindows, with the default levels.")
	all = nil
	for bits := 9; bits <= 15; bits++ {
		for _, library := range []string{"fanfare", "gws"} {
			all = append(all, servers.Compressing{Library: library, Bits: bits, Takeover: o.takeover})
		}
	}
	return o.table(ctx, p, kinds, all, false, stdout, log)
}

// table prints a row for each server.
func (o *compressionOptions) table(ctx context.Context, p *programs, kinds []messages, all []servers.Compressing, zlib bool, stdout, log io.Writer) error {
	costs := make([][]echoCost, len(all))
	for round := range o.rounds { // in turns, so that other work of the machine affects all of them
		fmt.Fprintf(log, "round %d of %d ...\n", round+1, o.rounds)
		for i, s := range all {
			for j, m := range kinds {
				c, err := o.visit(ctx, p, s, m)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", s.Name(), m.name, err)
				}
				if round == 0 {
					costs[i] = append(costs[i], c)
				}
				costs[i][j].micros = min(costs[i][j].micros, c.micros)
			}
		}
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 1, ' ', 0)
	fmt.Fprint(w, "|\t")
	for _, m := range kinds {
		fmt.Fprintf(w, "| %s\t", m.name)
	}
	fmt.Fprint(w, "|\n|---\t", strings.Repeat("| ---\t", len(kinds)), "|\n")
	row := func(name string, costs []echoCost) {
		fmt.Fprintf(w, "| %s\t", name)
		for _, c := range costs {
			fmt.Fprintf(w, "| %v\t", c)
		}
		fmt.Fprintln(w, "|")
	}
	for i, s := range all {
		row(label(s, zlib), costs[i])
	}
	if zlib {
		for _, level := range []int{1, 6, 9} {
			costs, err := o.zlib(ctx, kinds, level)
			if err != nil {
				fmt.Fprintf(log, "zlib is left out: %v\n", err)
				break
			}
			row(fmt.Sprintf("zlib, level %d", level), costs)
		}
	}
	return w.Flush()
}

func label(s servers.Compressing, levels bool) string {
	name := map[string]string{"fanfare": "Fanfare", "gws": "gws"}[s.Library]
	if levels {
		return fmt.Sprintf("%s, level %d", name, s.Level)
	}
	return fmt.Sprintf("%s, %d bits", name, s.Bits)
}

// compressionConns is the number of connections. With so many, the server always has a message to read, so the figures hardly
// contain the cost of waking up.
const compressionConns = 16

// visit measures one server with messages of one kind.
func (o *compressionOptions) visit(ctx context.Context, p *programs, s servers.Compressing, m messages) (echoCost, error) {
	limit := o.duration + time.Minute
	ctx, cancel := context.WithTimeoutCause(ctx, limit, outOfTime{fmt.Sprintf("it took more than %v", limit)})
	defer cancel()
	child, err := p.startServer(ctx, s.Name(), servers.EchoMode)
	if err != nil {
		return echoCost{}, err
	}
	defer child.stop()
	load := &deflateLoad{frames: m.frames}
	defer load.close()
	for range compressionConns {
		if err := load.dial(child.addr, s, time.Now().Add(limit)); err != nil {
			return echoCost{}, err
		}
	}
	for range 6 { // pools are filled, and Fanfare has found out which window is best
		if err := load.round(); err != nil {
			return echoCost{}, err
		}
	}
	if !s.Takeover { // else the client would need the server's window
		if err := load.check(m.plain); err != nil {
			return echoCost{}, err
		}
	}
	load.echoes, load.bytes = 0, 0
	before, err := cpuOf(child.cmd.Process.Pid)
	if err != nil {
		return echoCost{}, err
	}
	for start := time.Now(); time.Since(start) < o.duration; {
		if err := load.round(); err != nil {
			return echoCost{}, err
		}
	}
	after, err := cpuOf(child.cmd.Process.Pid)
	n := float64(load.echoes)
	return echoCost{math.Max(0, after-before) / 1000 / n, float64(load.bytes) / n / float64(m.size)}, err
}
