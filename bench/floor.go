package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// loop is the time of the bare server's loop over all sockets, per message.
const loop figure = "floor_loop_microseconds"

// run compares Fanfare with the floor and writes the figures.
func (o *floorOptions) run(ctx context.Context, stdout, log io.Writer) error {
	dir, err := os.MkdirTemp("", "fanfare-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintln(log, "building the servers and fanfare-load ...")
	p, err := build(ctx, dir)
	if err != nil {
		return err
	}
	kinds, err := new(compressionOptions).corpora(ctx)
	if err != nil {
		return err
	}
	f := &floor{opt: o, prog: p, log: log, pairs: o.pairs(p, kinds), report: o.newReport()}
	if err := f.measure(ctx); err != nil {
		return err
	}
	f.countFutex(ctx, dir)
	if err := ctx.Err(); err != nil {
		return err
	}
	f.report.fill(f.pairs)
	return f.report.publish(o, stdout)
}

// floor is a run of the subcommand in progress.
type floor struct {
	opt    *floorOptions
	prog   *programs
	log    io.Writer
	pairs  []*pair
	report *floorReport
}

// measure makes the rounds. All pairs and both sides have their turn in each, so that other work of the machine affects all of
// them. The sides take turns in being the first.
func (f *floor) measure(ctx context.Context) error {
	begun := time.Now()
	for round := range f.opt.rounds {
		for _, e := range f.pairs {
			sides := [2]*side{&e.other, &e.mine}
			for i := range sides {
				s := sides[(i+round)%2]
				visit := f.visit
				if e.compressed != nil {
					visit = f.visitCompressed
				}
				if err := visit(ctx, e, s, round); err != nil {
					return fmt.Errorf("round %d, %s, %s: %w", round+1, e.rows[0].title, s.name, err)
				}
			}
		}
	}
	f.report.Seconds = time.Since(begun).Seconds()
	return nil
}

// visit returns an error if anything was lost, because such figures must not be compared.
func (f *floor) visit(ctx context.Context, e *pair, s *side, round int) error {
	return f.serve(ctx, s, func(ctx context.Context, c *child) error {
		got, err := f.prog.ask(ctx, c, append(e.args[:len(e.args):len(e.args)], s.target(c)...)...)
		if err == nil {
			err = got.fault()
		}
		if err != nil {
			return err
		}
		for place := range s.values {
			of, err := got.figures(e.kind, place)
			if err != nil {
				return err
			}
			for name, v := range of {
				s.values[place][name] = append(s.values[place][name], v)
			}
		}
		for _, r := range e.rows {
			v := s.values[r.place][r.figure]
			fmt.Fprintf(f.log, "round %d, %s, %s: %s\n", round+1, r.title, s.name, r.figure.format(v[len(v)-1]))
		}
		if c.vars == "" || !e.paced {
			return nil
		}
		took, err := loopTime(ctx, c.vars)
		s.values[0][loop] = append(s.values[0][loop], took)
		return err
	})
}

// serve starts a server for the time of a function.
func (f *floor) serve(ctx context.Context, s *side, do func(context.Context, *child) error) error {
	limit := 2*f.opt.duration + 3*f.opt.rest + time.Minute
	ctx, cancel := context.WithTimeoutCause(ctx, limit, outOfTime{fmt.Sprintf("it took more than %v", limit)})
	defer cancel()
	c, err := s.start(ctx)
	if err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	defer c.stop()
	return do(ctx, c)
}

// loopTime asks the floor for the median of loop, in microseconds.
func loopTime(ctx context.Context, addr string) (float64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	var vars map[string]json.RawMessage
	if err := json.NewDecoder(answer.Body).Decode(&vars); err != nil {
		return 0, fmt.Errorf("the floor's expvar page: %w", err)
	}
	v, err := strconv.ParseFloat(string(vars[servers.LoopVar]), 64)
	if err == nil && v == 0 {
		err = errors.New("the floor has sent no message")
	}
	return v, err
}
