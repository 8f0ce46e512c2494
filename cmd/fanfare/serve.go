package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// run is the program. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := parseFlags(args, stdout, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	if err := serve(ctx, cfg, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "fanfare:", err)
		return 1
	}
	return 0
}

func serve(ctx context.Context, cfg *config, stdout, stderr io.Writer) error {
	defer daemon.CollectOften()()
	if cfg.profile != "" {
		stop, err := profile(cfg.profile)
		if err != nil {
			return err
		}
		defer stop()
	}
	files, err := daemon.RaiseFileLimit()
	if err != nil {
		return err
	}
	if cfg.maxConns == 0 { // below the limit of descriptors, so that the server can still refuse handshakes with 503 and answer health checks
		cfg.maxConns = int(min(daemon.Room(files), math.MaxInt32))
	}
	log := daemon.Logger(stderr, cfg.verbose)
	a, err := newApp(cfg, log)
	if err != nil {
		return err
	}
	addr, err := daemon.Listen(a.server, cfg.addr, cfg.cert, cfg.key)
	if err != nil {
		_ = a.server.Shutdown(ctx)
		return err
	}
	greet(stdout, cfg, addr, files)
	ending := daemon.Ending{
		Grace: time.Second, Window: 8 * time.Second, Drain: cfg.drain,
		Leaving: func() { a.leaving.Store(true) },
		Before:  []func(context.Context) error{a.hub.Shutdown},
	}
	if err := ending.Until(ctx, a.server, stdout, log); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "Done.")
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
	cfg      *config
	log      *slog.Logger
	server   *wsproto.Server
	hub      *hub.Hub
	sessions *session.Endpoint
	leaving  atomic.Bool // the server ends soon
	access   access
	hooks    hooks
	rates    rates
	visitors sync.Map // visitor -> *visitor: those that connections of anonymous clients and of keys share

	transfers transfers
}

func newApp(cfg *config, log *slog.Logger) (*app, error) {
	a := &app{cfg: cfg, log: log}
	p, errs := policy.New(policy.Options{TokenFile: cfg.tokenFile, Log: log})
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	a.access = access{Policy: p, userHeader: cfg.userHeader, proxies: cfg.proxies}
	a.server = &wsproto.Server{
		AcceptAsync: a.accept,
		HTTP:        a.pages(),
		Origins:     cfg.origins,
		Hosts:       cfg.hosts,
		Proxies:     cfg.proxies,
		Logger:      log,
	}
	cfg.limit(a.server)
	a.transfers.most = cfg.bodies()
	if cfg.compress {
		a.server.Compression = new(wsproto.Compression)
	}
	a.newHub()
	return a, nil
}

// greet prints the URLs of the server.
func greet(w io.Writer, cfg *config, addr net.Addr, files uint64) {
	at := daemon.HostPort(cfg.addr, addr)
	limit := min(daemon.Room(files), uint64(cfg.maxConns))
	s := ""
	if cfg.secure() {
		s = "s"
	}
	fmt.Fprintf(w, `Fanfare is listening on %[1]s

  try it in a browser   http%[5]s://%[2]s/
  echo                  ws%[5]s://%[2]s/echo
  a topic               ws%[5]s://%[2]s/topics/news
  many topics, in JSON  ws%[5]s://%[2]s/hub, with http%[5]s://%[2]s/fanfare.js
  publish to it         curl -H 'Content-Type: text/plain' -d hello http%[5]s://%[2]s/topics/news
  load it               go run ./cmd/fanfare-load idle -n 10000 -pid %[6]d ws%[5]s://%[2]s/echo

`, addr, at, limit, files, s, os.Getpid())
	if cfg.secure() {
		fmt.Fprint(w, "If the certificate is self-signed, add -k to curl and -insecure to fanfare-load.\n")
	}
	fmt.Fprintf(w, "The server has room for %d connections; the limit of open files is %d.\nPress Ctrl-C to stop.\n", limit, files)
}
