package main

import (
	"strings"
	"sync"
	"time"
)

// verdict is the result of a case in one mode.
type verdict struct {
	*Case
	mode   mode
	err    error  // nil if the server passed
	reason string // why the case was not run, or ""
	trace  *trace
	took   time.Duration
}

// judge runs cases.
type judge struct {
	targets targets
	timeout time.Duration // of a connection
	heavy   chan struct{} // a slot for each heavy case that may run
}

func newJudge(timeout time.Duration) *judge {
	return &judge{timeout: timeout, heavy: make(chan struct{}, 1)}
}

// run plays a case. It is safe from any goroutine.
func (j *judge) run(c *Case, m mode) verdict {
	v := verdict{Case: c, mode: m}
	t, reason, err := j.targets.get(c.Config)
	if v.reason, v.err = reason, err; t == nil {
		return v
	}
	if c.Heavy {
		j.heavy <- struct{}{}
		defer func() { <-j.heavy }()
	}
	start := time.Now()
	p, err := dial(t, m, j.timeout)
	if err != nil {
		v.err = err
		return v
	}
	defer p.nc.Close()
	v.reason, v.err = c.play(p, t)
	v.trace, v.took = p.trace, time.Since(start)
	return v
}

// play plays a case from the handshake to the end.
func (c *Case) play(p *peer, t *target) (reason string, err error) {
	var s script
	early := ""
	if c.Handshake.early {
		c.Script(&s)
		early = strings.Join(s.turns[0].out, "")
		s.turns[0].out = nil
	}
	a, err := p.handshake(t, c.Handshake, c.Negotiation.offer, early)
	if err != nil {
		return "", err
	}
	if c.Handshake.status != 0 {
		return "", p.refused(a)
	}
	if c.Handshake.text == "" {
		*p.trace = trace{} // the case is not about the handshake
	}
	if reason, err = p.agree(&s, c, a, t); reason != "" || err != nil {
		return reason, err
	}
	if early == "" {
		c.Script(&s)
	}
	return "", p.play(&s)
}

// all runs cases concurrently and calls each with the verdicts as they arrive.
func (j *judge) all(cases []*Case, atOnce int, each func(v verdict)) {
	type task struct {
		c *Case
		m mode
	}
	tasks := make(chan task)
	verdicts := make(chan verdict)
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for k := range tasks {
				verdicts <- j.run(k.c, k.m)
			}
		})
	}
	go func() {
		for _, c := range cases {
			for _, m := range []mode{whole, pieces} {
				tasks <- task{c, m}
			}
		}
		close(tasks)
		workers.Wait()
		close(verdicts)
	}()
	for v := range verdicts {
		each(v)
	}
}
