package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/certs"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/natsserver"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/rate"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/systemd"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/top"
	"github.com/fanfare-ws/fanfare/cmd/internal/cluster"
	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/idempotency"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// invocation is what the program takes from its process.
type invocation struct {
	args           []string
	stdout, stderr io.Writer
	// onHangup calls a function at each SIGHUP until stop is called.
	onHangup func(f func()) (stop func())
	// onLogger, if not nil, gets the logger of the program, which packages without one of their own should use.
	onLogger func(*slog.Logger)
	// profileMemory begins to record allocations for profiles. It may be nil.
	profileMemory func()
}

// run is the program. It returns the exit status.
func (p *invocation) run(ctx context.Context) int {
	if len(p.args) > 0 && p.args[0] == string(config.Top) {
		return top.Run(ctx, p.args[1:], os.Environ(), p.stdout, p.stderr)
	}
	l, status := configure(p.args, p.stdout, p.stderr)
	if l == nil {
		return status
	}
	defer p.detach(l.Config)()
	if err := p.serve(ctx, l); err != nil {
		if log, _ := logger(p.stderr, l.Config); l.Config.Log.JSON() {
			log.Error("the server ends", "error", err)
		} else {
			fmt.Fprintln(p.stderr, "fanfare:", err)
		}
		return 1
	}
	return 0
}

const (
	maxOutput  = 256 << 10 // bytes that wait for stdout, and for stderr
	outputTime = time.Second
)

// detach makes stdout and stderr never keep the server waiting, nor end it: not if nobody reads them, if their reader is gone,
// or if their disk is full. end waits for what they still take.
func (p *invocation) detach(c *config.Config) (end func()) {
	signal.Ignore(syscall.SIGPIPE)
	stdout := daemon.NewOutput(p.stdout, maxOutput, nil)
	stderr := daemon.NewOutput(p.stderr, maxOutput, func(w io.Writer, lost int) {
		log, _ := logger(w, c)
		log.Warn("lines of the log are missing here: its reader was too slow, or its disk was full", "lines", lost)
	})
	p.stdout, p.stderr = stdout, stderr
	return func() {
		stdout.Close(outputTime)
		stderr.Close(outputTime)
	}
}

func (p *invocation) serve(ctx context.Context, l *config.Loaded) error {
	defer wsproto.CollectOften()()
	cfg := l.Config
	if cfg.Admin.Addr != "" && p.profileMemory != nil {
		p.profileMemory()
	}
	if cfg.CPUProfile != "" {
		stop, err := profile(cfg.CPUProfile)
		if err != nil {
			return err
		}
		defer stop()
	}
	files, err := daemon.RaiseFileLimit()
	if err != nil {
		return err
	}
	log, level := logger(p.stderr, cfg)
	if p.onLogger != nil {
		p.onLogger(log)
	}
	a, err := newApp(cfg, log)
	if err != nil {
		return err
	}
	defer a.close()
	a.server.Engine.MaxConns = mostConns(&cfg.Limits)
	all, err := a.open(ctx)
	if err != nil {
		return err
	}
	warnOf(log, l.Notes)
	s := service{systemd.NewNotifier(log), a}
	r := &reloader{args: p.args, log: log, current: cfg, files: cfg.Contents(), apply: a.apply(level)}
	defer p.onHangup(s.reloading(r.reload))()
	a.announce(p.stdout, all, files) // after that a SIGHUP must not end the program
	releaseStartCode(cfg)
	a.meter.Settle()
	stop, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer stop()
	return a.wait(ctx, p.stdout)
}

// open opens the listeners, and begins to obtain certificates for them. After an error nothing is open.
func (a *app) open(ctx context.Context) (all []openListener, err error) {
	sockets, err := systemd.Inherited()
	if err != nil {
		return nil, err
	}
	defer sockets.Close()
	if err = a.startNode(ctx); err == nil {
		all, err = a.listen(sockets)
	}
	if err == nil {
		a.hub.Start() // which links it to NATS
		a.watch.Start()
		err = a.admitOperators(sockets)
	}
	if err == nil {
		err = sockets.Left()
	}
	if err == nil {
		err = a.certificates.obtain(all)
	}
	if err != nil {
		_ = a.server.Shutdown(ctx)
		return nil, err
	}
	return all, nil
}

// wait serves until ctx is done, and then ends the server.
func (a *app) wait(ctx context.Context, stdout io.Writer) error {
	s := &a.cfg.Shutdown
	ending := daemon.Ending{
		Grace: s.Grace, Window: s.Window, Drain: s.Drain, Logged: a.cfg.Log.JSON(),
		Leaving: func() { a.leaving.Store(true) },
		Before:  []func(context.Context) error{a.hub.Shutdown},
	}
	if a.events.Webhooks != nil {
		ending.After = a.events.Close
	}
	if err := ending.Until(ctx, a.server, stdout, a.log); err != nil {
		return err
	}
	if ending.Logged {
		a.log.Info("the server has ended")
	} else {
		fmt.Fprintln(stdout, "Done.")
	}
	return nil
}

// profile starts a CPU profile.
func profile(name string) (stop func(), err error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("-cpuprofile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("-cpuprofile: %w", err)
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}, nil
}

// app is what the endpoints share.
type app struct {
	cfg      *config.Config // as it was at the start
	log      *slog.Logger
	server   *wsproto.Server
	hub      *hub.Hub
	link     *cluster.Link      // nil if the server stands alone
	number   uint64             // which no other node has
	node     *natsserver.Server // nil if there is none in this process
	sessions *session.Endpoint
	leaving  atomic.Bool // the server ends soon
	access   access
	hooks    hooks
	events   events
	rates    rates
	remote   shared
	local    shared // of clients on this machine: see wsproto.Server.IsLocal
	rules    rules
	once     *idempotency.Table // receipts of messages with an idempotency key

	refusals     refusals
	certificates certificates
	operators    operators
	observation  observation
	transfers    transfers
	meter        *monitor.Meter
	watch        *monitor.Watch
}

func newApp(cfg *config.Config, log *slog.Logger) (*app, error) {
	a := &app{cfg: cfg, log: log, meter: monitor.NewMeter("/")}
	a.watch = monitor.NewWatch(a.snapshot, log)
	a.refusals.log = log
	a.hooks.refusals = &a.refusals
	a.rates = rates{users: rate.New[string](rate.Options{}), topics: rate.New[string](rate.Options{}), refusals: &a.refusals}
	a.remote.begin(a, false)
	a.local.begin(a, true)
	proxies, err := wsproto.ParseProxies(strings.Join(cfg.Access.TrustedProxies, ","))
	if err != nil {
		return nil, err
	}
	o := cfg.Policy()
	o.Log = log
	p, errs := policy.New(o)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	a.hooks.policy = p
	if err := a.hooks.set(cfg, log); err != nil {
		p.Close()
		return nil, err
	}
	if err := a.events.begin(cfg, log); err != nil {
		a.hooks.close()
		p.Close()
		return nil, err
	}
	a.access = access{Policy: p, userHeader: cfg.Access.UserHeader, proxies: proxies}
	if a.certificates, err = loadCertificates(&cfg.TLS, log); err != nil {
		a.close()
		return nil, err
	}
	a.server = &wsproto.Server{AcceptAsync: a.accept, HTTP: a.pages(), Proxies: proxies, Logger: log}
	a.server.TLSConfig = certs.TLSConfig(a.certificates.file, a.certificates.acme)
	limitServer(a.server, cfg)
	a.transfers.most = bodies(&cfg.Limits)
	a.rules.set(cfg.Topics, cfg.Limits.MaxPending)
	a.rates.set(cfg)
	if cfg.Compress {
		a.server.Compression = &wsproto.Compression{Level: cfg.CompressLevel}
	}
	if err := a.newLink(); err != nil {
		a.close()
		return nil, err
	}
	a.newHub()
	return a, nil
}

// close ends what goes on in the background. The server has ended before.
func (a *app) close() {
	a.watch.Close()
	a.operators.close()
	a.observation.close()
	a.events.close()
	a.certificates.close()
	a.hooks.close()
	a.access.Close()
	if a.link != nil {
		_ = a.link.Close() // once
	}
	a.endNode()
}
