package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// load is one run of any subcommand.
type load struct {
	opt      *options
	target   wsproto.Target
	publish  wsproto.Target // of publishers
	conns    *connections
	turn     *turn
	shards   []*shard // one for each loop of the engine
	faults   *faults
	progress *progress
	report   *report
	begin    time.Time // the clock counts from here: see now
}

// newLoad checks that the run is possible and prepares it.
func newLoad(ctx context.Context, opt *options, p *program) (*load, error) {
	l := &load{opt: opt, faults: new(faults), begin: time.Now(), progress: newProgress(p.stderr, opt.quiet)}
	l.report = &report{Command: opt.command, URL: redacted(opt.url)}
	if err := l.findTargets(ctx); err != nil {
		return nil, err
	}
	lim := p.limits()
	if err := lim.checkFiles(opt.n + opt.publishers); err != nil {
		return nil, err
	}
	ports := opt.n + opt.publishers
	if opt.command == "churn" && l.target.Addr.Addr().IsLoopback() {
		ports = churnAddrs * max(1, lim.ports()/2)
	}
	sources, err := lim.pickSources(ports, l.target.Addr.Addr(), opt.sources)
	if err != nil {
		return nil, err
	}
	if opt.pid != 0 {
		l.warnServerLimit()
		l.checkFresh()
	}
	if l.turn, err = openTurn(ctx, opt.turn); err != nil {
		return nil, err
	}
	if l.conns, err = newConnections(opt, sources, l.faults); err != nil {
		l.turn.end()
		return nil, err
	}
	for range l.conns.engine.Loops() {
		l.shards = append(l.shards, newShard())
	}
	l.weigh("before")
	return l, nil
}

func (l *load) findTargets(ctx context.Context) (err error) {
	if l.target, err = wsproto.ParseTarget(ctx, l.opt.url); err != nil {
		return fmt.Errorf("%w; check the name of the host", err)
	}
	l.publish = l.target
	if l.opt.publishURL != "" {
		l.publish, err = wsproto.ParseTarget(ctx, l.opt.publishURL)
	}
	if host := http.Header(l.opt.header).Get("Host"); host != "" { // it replaces the host of the URL
		http.Header(l.opt.header).Del("Host")
		l.target.Host, l.publish.Host = host, host
	}
	return err
}

// redacted returns a URL without its password.
func redacted(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.User == nil {
		return s
	}
	return u.Redacted()
}

// warnServerLimit warns of a limit that would make the server refuse connections.
func (l *load) warnServerLimit() {
	if files, err := processFiles(l.opt.pid); err == nil && files < l.opt.n {
		l.progress.note("the server's limit of open files, %s, is below the %s connections of this run: raise its ulimit -n",
			comma(files), comma(l.opt.n))
	}
}

// now returns the time since the start of the run in nanoseconds.
func (l *load) now() int64 { return int64(time.Since(l.begin)) }

// connect opens n connections to t.
func (l *load) connect(ctx context.Context, what string, t wsproto.Target, n int, handler func(i int) wsproto.Handler) error {
	f := l.conns
	before, began := f.opened.Load(), time.Now()
	stop := l.progress.during("opening "+what, int64(n), func() int64 { return f.opened.Load() - before })
	err := f.open(ctx, t, n, handler)
	stop()
	c := &l.report.Connections
	opened := f.opened.Load() - before
	c.Wanted += n
	c.Opened += opened
	c.seconds += time.Since(began).Seconds()
	if c.seconds > 0 {
		c.PerSecond = float64(c.Opened) / c.seconds
	}
	if err == nil && opened == 0 {
		return errExplained
	}
	return err
}

// errExplained ends a run whose faults say why it cannot continue.
var errExplained = errors.New("nothing could be measured")

// finish closes everything and completes the report. err is the error of the subcommand.
func (l *load) finish(ctx context.Context, err error) {
	l.report.Interrupted = ctx.Err() != nil
	if err != nil && !l.report.Interrupted && !(errors.Is(err, errExplained) && l.faults.any()) {
		l.faults.add("ended early", "", 1, err.Error)
	}
	l.report.Connections.Lost = l.conns.lost.Load()
	l.report.Connections.Failed = l.conns.failed.Load()
	if l.opt.compress {
		n := l.conns.compressed.Load()
		l.report.Connections.Compressed = &n
	}
	stop := l.progress.during("closing", l.conns.opened.Load(), l.conns.closed.Load)
	l.conns.end(l.opt.abrupt)
	stop()
	l.turn.end()
	l.report.Faults = l.faults.list()
	l.report.judge(l.opt.fail)
	l.report.OK = len(l.report.Faults) == 0 && !l.report.failed() && !l.report.Interrupted
}

// pause waits for d. It returns earlier if the run, or the last connection, ends.
func (l *load) pause(ctx context.Context, what string, d time.Duration) error {
	stop := l.progress.clock(what, d, l.received)
	defer stop()
	until := time.Now().Add(d)
	return l.until(ctx, 5*time.Millisecond, func() bool { return !time.Now().Before(until) })
}

// rest leaves the connections idle for d, during which other programs may have their turn, and then measures the server.
func (l *load) rest(ctx context.Context, what string, d time.Duration, stage string) error {
	if d > 0 {
		l.turn.pass()
	}
	idle := l.measureIdle()
	if err := l.pause(ctx, what, d); err != nil {
		return err
	}
	idle.end()
	if err := l.weigh(stage); err != nil {
		return err
	}
	return l.turn.take(ctx)
}

// until waits until done returns true. It returns early, without an error, if no connection is left or the run was given
// up; the faults say why.
func (l *load) until(ctx context.Context, every time.Duration, done func() bool) error {
	err := waitFor(ctx, every, func() bool {
		return done() || l.conns.over() || l.conns.alive() == 0 || l.conns.engine.Err() != nil
	})
	return errors.Join(err, l.conns.engine.Err())
}

// settle waits until done returns true, or until nothing was received for the time of -drain plus the time of -think.
func (l *load) settle(ctx context.Context, done func() bool) error {
	last, at, most := l.received(), time.Now(), l.opt.drain+l.opt.think
	return l.until(ctx, 2*time.Millisecond, func() bool {
		if n := l.received(); n != last {
			last, at = n, time.Now()
		}
		return done() || time.Since(at) > most
	})
}

// received returns the number of messages received so far.
func (l *load) received() (n int64) {
	for _, s := range l.shards {
		n += s.totals().received
	}
	return n
}
