package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/account"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/chat"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store/sqlstore"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/web"
	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// run runs the program and returns its exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := parseFlags(args, stdout, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	if err := serve(ctx, cfg, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "fanfare-chat:", err)
		return 1
	}
	return 0
}

func serve(ctx context.Context, cfg *config, stdout, stderr io.Writer) (err error) {
	defer wsproto.CollectOften()()
	files, err := daemon.RaiseFileLimit()
	if err != nil {
		return err
	}
	log := daemon.Logger(stderr, cfg.verbose)
	where, err := cfg.where()
	if err != nil {
		return err
	}
	kept, err := sqlstore.Open(ctx, where)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	accounts, err := account.New(account.Options{Store: kept})
	if err != nil {
		return err
	}
	link, err := cfg.link(log)
	if err != nil {
		return err
	}
	c, err := chat.New(chat.Options{
		Store: kept, Accounts: accounts, Page: web.Handler(), Logger: log,
		Proxies: cfg.proxies, Hosts: cfg.hosts, Limits: cfg.limits,
		Cluster: link,
	})
	if err != nil {
		return err
	}
	defer c.Close()
	addr, err := daemon.Listen(c.Server(), cfg.addr, cfg.cert, cfg.key)
	if err != nil {
		_ = c.Server().Shutdown(ctx)
		return err
	}
	c.Start()
	greet(stdout, cfg, addr, where, files)
	ending := daemon.Ending{Drain: cfg.drain, Before: []func(context.Context) error{c.Deliver}}
	if err := ending.Until(ctx, c.Server(), stdout, log); err != nil {
		return err
	}
	c.Close()
	fmt.Fprintln(stdout, "All messages are stored. Done.")
	return nil
}

// greet prints the addresses of the server and the place of its data.
func greet(w io.Writer, cfg *config, addr net.Addr, where string, files uint64) {
	s := ""
	if cfg.secure() {
		s = "s"
	}
	if u, err := url.Parse(where); err == nil && u.User != nil {
		where = u.Redacted()
	}
	fmt.Fprintf(w, `Fanfare-chat is listening on %[1]s

  page      http%[2]s://%[3]s/
  database  %[4]s

It can hold %[5]d connections: the limit of open files is %[6]d. The process ID is %[7]d.
Press Ctrl-C to stop.
`, addr, s, daemon.HostPort(cfg.addr, addr), where, daemon.Room(files), files, os.Getpid())
}
