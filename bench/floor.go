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

// loop is the time of the floor's loop over all sockets, per message.
const loop figure = "floor_loop_microseconds"

// turn is a server and a load that have their turn in each round.
type turn struct {
	name   string
	start  func(context.Context) (*child, error)
	pace   []string // arguments of fanfare-load
	values map[figure][]float64
}

func (t *turn) spread(f figure) spread { return spreadOf(t.values[f]) }

// run compares cmd/fanfare with the floor and writes the figures.
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
	turns := o.turns(p)
	for round := range o.rounds { // in turns, so that other work of the machine affects all of them
		for i := range turns {
			if err := o.visit(ctx, p, &turns[i], log); err != nil {
				return fmt.Errorf("round %d, %s: %w", round+1, turns[i].name, err)
			}
		}
	}
	return o.report(turns).publish(o, stdout)
}

func (o *floorOptions) turns(p *programs) []turn {
	floor := func(ctx context.Context) (*child, error) {
		return p.startServer(ctx, servers.FloorBroadcast.Name, servers.BroadcastMode)
	}
	paced := []string{"-rate", strconv.FormatFloat(o.rate, 'g', -1, 64)}
	all := []turn{{name: "floor", start: floor, pace: paced}, {name: "Fanfare", start: p.startFanfare, pace: paced}}
	for _, n := range []int{o.window, 1} {
		all = append(all, turn{name: fmt.Sprintf("Fanfare, %d in flight", n), start: p.startFanfare, pace: []string{"-window", strconv.Itoa(n)}})
	}
	for i := range all {
		all[i].values = map[figure][]float64{}
	}
	return all
}

// visit returns an error if anything was lost, because such figures must not be compared.
func (o *floorOptions) visit(ctx context.Context, p *programs, t *turn, log io.Writer) error {
	limit := o.duration + time.Minute
	ctx, cancel := context.WithTimeoutCause(ctx, limit, outOfTime{fmt.Sprintf("it took more than %v", limit)})
	defer cancel()
	s, err := t.start(ctx)
	if err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	defer s.stop()
	args := append([]string{"broadcast", "-n", strconv.Itoa(o.n), "-size", strconv.Itoa(o.size), "-duration", o.duration.String()}, t.pace...)
	got, err := p.ask(ctx, s, append(args, "ws://"+s.addr+"/topics/floor")...)
	if err == nil {
		err = got.fault()
	}
	if err != nil {
		return err
	}
	f, err := got.figures(broadcast, 0)
	if err != nil {
		return err
	}
	fmt.Fprintf(log, "%s: %s deliveries/s, %s, latency %s", t.name, whole(f[perSecond]), micros(f[cpuEach]), milliseconds(f[p50]))
	if s.vars != "" {
		if f[loop], err = loopTime(ctx, s.vars); err != nil {
			return err
		}
		fmt.Fprintf(log, ", loop %s", milliseconds(f[loop]))
	}
	fmt.Fprintln(log)
	for name, v := range f {
		t.values[name] = append(t.values[name], v)
	}
	return nil
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
