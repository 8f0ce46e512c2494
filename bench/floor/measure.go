package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// measurement is a run under way.
type measurement struct {
	opt     *options
	prog    *programs
	samples samples
	log     io.Writer
}

// samples has a value of each figure for each round.
type samples struct {
	floorCPU, fanfareCPU         []float64 // microseconds for each delivery
	floorLatency, fanfareLatency []float64 // medians, microseconds
	loop                         []float64 // medians, microseconds
	saturated, single            rates
}

// rates are of Fanfare going as fast as it can.
type rates struct {
	perSecond []float64 // deliveries
	cpu       []float64 // microseconds for each
}

// measure makes all rounds, in each of which all have their turn, so that what else
// the machine does meets all of them. Progress goes to log.
func measure(ctx context.Context, opt *options, log io.Writer) (*report, error) {
	dir, err := os.MkdirTemp("", "fanfare-floor-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintln(log, "building Fanfare and fanfare-load ...")
	m := &measurement{opt: opt, log: log}
	if m.prog, err = build(ctx, dir); err != nil {
		return nil, err
	}
	for round := range opt.rounds {
		for _, turn := range []func(context.Context, int) error{m.floor, m.fanfare, m.saturate, m.single} {
			if err := turn(ctx, round+1); err != nil {
				return nil, err
			}
		}
	}
	return m.samples.report(opt), nil
}

func (m *measurement) floor(ctx context.Context, round int) error {
	l, lines, err := m.visit(ctx, m.prog.floor, []string{serveArg, "127.0.0.1:0"}, m.paced())
	if err != nil {
		return fmt.Errorf("round %d, the floor: %w", round, err)
	}
	loop, err := medianLoop(lines)
	if err != nil {
		return err
	}
	s := &m.samples
	s.floorCPU, s.floorLatency, s.loop = append(s.floorCPU, l.cpu), append(s.floorLatency, l.p50), append(s.loop, loop)
	fmt.Fprintf(m.log, "round %d: floor %s, latency %s, loop %s\n", round, micros(l.cpu), millis(l.p50), millis(loop))
	return nil
}

// medianLoop reads what the floor wrote, and returns microseconds.
func medianLoop(lines []string) (float64, error) {
	var all []float64
	for _, line := range lines {
		ns, err := strconv.ParseInt(line, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("the floor's server says %q, which is no time", line)
		}
		all = append(all, float64(ns)/1e3)
	}
	if len(all) == 0 {
		return 0, fmt.Errorf("the floor's server has sent nothing")
	}
	return spreadOf(all).Median, nil
}

func (m *measurement) fanfare(ctx context.Context, round int) error {
	l, err := m.visitFanfare(ctx, round, m.paced())
	if err == nil {
		s := &m.samples
		s.fanfareCPU, s.fanfareLatency = append(s.fanfareCPU, l.cpu), append(s.fanfareLatency, l.p50)
		fmt.Fprintf(m.log, "round %d: Fanfare %s, latency %s\n", round, micros(l.cpu), millis(l.p50))
	}
	return err
}

func (m *measurement) saturate(ctx context.Context, round int) error {
	return m.window(ctx, round, m.opt.window, &m.samples.saturated)
}

func (m *measurement) single(ctx context.Context, round int) error {
	return m.window(ctx, round, 1, &m.samples.single)
}

// window is as fast as it goes with that many messages under way.
func (m *measurement) window(ctx context.Context, round, n int, to *rates) error {
	l, err := m.visitFanfare(ctx, round, []string{"-window", strconv.Itoa(n)})
	if err == nil {
		to.perSecond, to.cpu = append(to.perSecond, l.perSecond), append(to.cpu, l.cpu)
		fmt.Fprintf(m.log, "round %d: Fanfare, %d under way: %s deliveries/s, %s\n", round, n, comma(l.perSecond), micros(l.cpu))
	}
	return err
}

func (m *measurement) visitFanfare(ctx context.Context, round int, how []string) (loaded, error) {
	l, _, err := m.visit(ctx, m.prog.fanfare, []string{"-addr", "127.0.0.1:0"}, how)
	if err != nil {
		err = fmt.Errorf("round %d, Fanfare: %w", round, err)
	}
	return l, err
}

func (m *measurement) paced() []string {
	return []string{"-rate", strconv.FormatFloat(m.opt.rate, 'g', -1, 64)}
}

// visit starts a server, loads it, and ends it. It returns what the server wrote.
func (m *measurement) visit(ctx context.Context, program string, args, how []string) (l loaded, lines []string, err error) {
	limit := m.opt.duration + time.Minute
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it took more than %v", limit))
	defer cancel()
	s, err := start(ctx, program, args...)
	if err != nil {
		return loaded{}, nil, err
	}
	defer func() { lines = s.stop() }()
	o := m.opt
	l, err = m.prog.broadcast(ctx, s, append(how, "-n", strconv.Itoa(o.n), "-size", strconv.Itoa(o.size), "-duration", o.duration.String())...)
	return l, nil, err
}
