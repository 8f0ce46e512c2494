package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/doctor"
	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
)

const usage = `Fanfare is a WebSocket server that echoes and broadcasts.

Usage: fanfare [flags]     (wss:// and https:// with -cert and -key, or -acme-domains)
       fanfare check|config|doctor|health|top|version|help

  ws://ADDR/echo            sends every message back
  ws://ADDR/topics/NAME     subscribes to a topic; messages from the client go to all
                            other subscribers. NAME can be a pattern such as prices.*
                            or prices.>, which only receives. Options:
                              ?echo=1               the sender receives its messages, too
                              ?history=N            begins with the last N messages
                              ?resume=EPOCH:OFFSET  begins with the messages after that
                                                    position; closes with 4410 if the
                                                    topic no longer holds them
                              ?position=1           the first message is the position
  ws://ADDR/hub             many topics on one connection, in JSON: fanfare.v1

  POST   http://ADDR/topics/NAME               publishes the body (?key=KEY)
  POST   http://ADDR/publish                   publishes many messages, also to patterns
  POST   http://ADDR/users/USER                sends the body to all connections of a user (?key=KEY)
  GET    http://ADDR/topics                    lists the topics, 100 a page (?prefix=, ?limit=, ?after=NEXT)
  GET    http://ADDR/topics/NAME               describes one topic
  GET    http://ADDR/topics/NAME/history       returns its messages (?last=N, ?after=EPOCH:OFFSET, &limit=N)
  GET    http://ADDR/topics/NAME/presence      lists the people in it (?limit=, ?after=NEXT)
  DELETE http://ADDR/topics/NAME/subscribers   closes its subscribers' connections (?code=N&reason=TEXT)
  DELETE http://ADDR/users/USER/connections    closes all connections of a user (?code=N&reason=TEXT)
  POST   http://ADDR/revocations               makes tokens invalid: {"user":USER}, {"id":JTI} or {"issued_until":SECONDS}
  GET    http://ADDR/healthz                   reports that the server is up, or that it is about to end
  GET    http://ADDR/readyz                    reports whether the server takes new clients: 503 from SIGTERM on, and without a link to NATS
  GET    http://ADDR/fanfare.js                the client of fanfare.v1, for browsers and Node
  GET    http://ADDR/                          a page to try the server in a browser

The listener of -admin has health (with figures), the DELETEs and revocations as above, and:

  GET    http://ADMIN/                         the dashboard
  GET    http://ADMIN/metrics                  metrics for Prometheus
  GET    http://ADMIN/api/status               the state of the server
  GET    http://ADMIN/api/history              figures of the last 15 minutes (?since=NEXT)
  GET    http://ADMIN/api/topics               the topics that stand out (?sort=, ?limit=, ?prefix=)
  GET    http://ADMIN/api/topics/NAME          one topic, with its slowest subscribers
  GET    http://ADMIN/nodes                    the nodes of the cluster, with their figures
  GET    http://ADMIN/api/clients              the slowest clients (?limit=, ?q= is a part of user or address)
  GET    http://ADMIN/api/clients/ID           one client, with its subscriptions
  DELETE http://ADMIN/api/clients/ID           closes its connection (?code=N&reason=TEXT)
  GET    http://ADMIN/debug/pprof/             profiles of Go
`

// configure reads the configuration. If there is nothing to serve, because the command line asks for something else or
// because of a mistake, it returns nil and the exit status.
func configure(args []string, stdout, stderr io.Writer) (*config.Loaded, int) {
	l := config.Load(args, os.Environ())
	switch l.Command {
	case config.Serve:
		return inspect(l, stderr)
	case config.Check:
		return nil, check(l, stdout, stderr)
	case config.Health, config.Doctor:
		return nil, ask(l, stdout, stderr)
	}
	if mistakes := l.Problems.OfArguments(); len(mistakes) > 0 {
		return nil, complain(stderr, mistakes)
	}
	if l.Command == config.Top {
		fmt.Fprintln(stderr, "fanfare: top comes before its flags: fanfare top [flags] [ADDRESS]")
		return nil, 2
	}
	inform(l.Command, stdout)
	return nil, 0
}

// ask is the commands that need right settings, but start nothing.
func ask(l *config.Loaded, stdout, stderr io.Writer) (status int) {
	switch {
	case len(l.Problems) > 0:
		return complain(stderr, l.Problems)
	case l.Command == config.Health:
		return askHealth(l, stdout, stderr)
	}
	return diagnose(l, doctor.ThisMachine(), stdout, stderr)
}

// inform prints what a command asks for.
func inform(c config.Command, stdout io.Writer) {
	switch c {
	case config.Help:
		config.WriteHelp(stdout, usage)
	case config.Version:
		fmt.Fprintln(stdout, "fanfare", daemon.Version())
	case config.Print:
		config.WriteTemplate(stdout)
	}
}

// complain prints mistakes in flags, variables and the file, and returns the exit status.
func complain(stderr io.Writer, mistakes config.Problems) int {
	printProblems(stderr, mistakes)
	fmt.Fprintln(stderr, "Run fanfare -help for the flags.")
	return 2
}

func printProblems(w io.Writer, mistakes config.Problems) {
	for _, p := range mistakes {
		fmt.Fprintln(w, "fanfare:", p)
	}
}

// inspect returns the configuration if there is no mistake in it, nor in the files that it names.
func inspect(l *config.Loaded, stderr io.Writer) (*config.Loaded, int) {
	if file := l.Config.File; len(l.Problems) > 0 && file != "" {
		printProblems(stderr, l.Problems)
		fmt.Fprintf(stderr, "fanfare check -config %s shows all mistakes.\n", file)
		return nil, 2
	} else if len(l.Problems) > 0 {
		return nil, complain(stderr, l.Problems)
	}
	if l.Inspect(time.Now()); len(l.Problems) > 0 {
		printProblems(stderr, l.Problems)
		return nil, 1
	}
	return l, 0
}

// check is the command check. It opens no socket.
func check(l *config.Loaded, stdout, stderr io.Writer) (status int) {
	l.Inspect(time.Now())
	l.CheckFree("/proc")
	if left := l.Config.WriteValues(stdout, l.All); left > 0 {
		fmt.Fprintf(stdout, "\nSettings with their defaults, which -all prints as well: %d\n", left)
	}
	for _, note := range l.Notes {
		fmt.Fprintln(stderr, "note:", note)
	}
	if printProblems(stderr, l.Problems); len(l.Problems) > 0 {
		fmt.Fprintf(stderr, "Mistakes: %d\n", len(l.Problems))
		return 1
	}
	fmt.Fprintln(stdout, "\nThe configuration is right.")
	return 0
}
