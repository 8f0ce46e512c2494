package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
)

// command is one of the subcommands.
type command struct {
	name  string
	about string
	flags func(*flag.FlagSet, *options)
	run   func(*load, context.Context) error
}

var commands = []command{
	{"idle", "open connections, hold them, and measure the server's memory", idleFlags, runIdle},
	{"echo", "send messages to a server that sends them back, and check the echoes", echoFlags, runEcho},
	{"broadcast", "publish messages, and check what each subscriber receives", broadcastFlags, runBroadcast},
	{"churn", "open connections and close them at once", churnFlags, runChurn},
	{"follow", "subscribe with clients that reconnect and resume, at any node, and check that they miss nothing", followFlags, runFollow},
	{"slow", "broadcast while some subscribers do not read", slowFlags, runBroadcast},
}

// parseArgs returns the subcommand and its options. If the arguments ask for help, it writes that to out and returns
// flag.ErrHelp.
func parseArgs(args []string, out io.Writer) (*command, *options, error) {
	if len(args) == 0 {
		return nil, nil, badUsage("a subcommand is missing: one of %s\n\n%s", names(), overview())
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		fmt.Fprint(out, overview())
		return nil, nil, flag.ErrHelp
	case "version", "-version", "--version":
		fmt.Fprintln(out, "fanfare-load", daemon.Version())
		return nil, nil, flag.ErrHelp
	}
	for i := range commands {
		if cmd := &commands[i]; cmd.name == args[0] {
			opt, err := cmd.parse(args[1:], out)
			return cmd, opt, err
		}
	}
	if strings.HasPrefix(args[0], "-") {
		return nil, nil, badUsage("a subcommand is missing before %[2]s: one of %[1]s", names(), args[0])
	}
	return nil, nil, badUsage("unknown subcommand %q; the subcommands are %s", args[0], names())
}

func (cmd *command) parse(args []string, out io.Writer) (*options, error) {
	opt := &options{command: cmd.name}
	fs := flag.NewFlagSet(cmd.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	commonFlags(fs, opt)
	cmd.flags(fs, opt)
	daemon.ExplainValues(fs)
	urls, err := parseMixed(fs, args)
	if err == flag.ErrHelp {
		cmd.help(fs, out)
		return nil, err
	}
	if err == nil {
		err = opt.setURL(urls)
	}
	if err == nil {
		fs.Visit(func(f *flag.Flag) { opt.given = append(opt.given, f.Name) })
		err = opt.validate()
	}
	if err != nil {
		return nil, badUsage("%s: %w\nRun 'fanfare-load %s -h' for the flags.", cmd.name, err, cmd.name)
	}
	return opt, nil
}

// parseMixed parses flags before, between and after other arguments, which it returns.
func parseMixed(fs *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			return nil, daemon.FlagError(err)
		}
		if fs.NArg() == 0 {
			return rest, nil
		}
		rest = append(rest, fs.Arg(0))
		args = fs.Args()[1:]
	}
}

func (cmd *command) help(fs *flag.FlagSet, out io.Writer) {
	fmt.Fprintf(out, "Usage: fanfare-load %s [flags] ws://host:port/path\n\n%s.\n\nFlags:\n",
		cmd.name, strings.ToUpper(cmd.about[:1])+cmd.about[1:])
	fs.SetOutput(out)
	fs.PrintDefaults()
	fmt.Fprint(out, thresholdHelp, exitStatuses)
}

const exitStatuses = `
Exit status: 0 if nothing was lost, wrong or refused; 1 if something was, if a -fail threshold
was met, or if the run was interrupted; 2 if the run could not start (bad arguments, limits of
the machine).
`

func overview() string {
	var b strings.Builder
	b.WriteString("Usage: fanfare-load SUBCOMMAND [flags] ws://host:port/path\n\n" +
		"Puts load on a WebSocket server and checks everything that it sends.\n\nSubcommands:\n")
	for _, cmd := range commands {
		fmt.Fprintf(&b, "  %-10s %s\n", cmd.name, cmd.about)
	}
	b.WriteString("\nRun 'fanfare-load SUBCOMMAND -h' for the flags of a subcommand. Examples:\n\n" +
		"  fanfare-load idle -n 18000 -pid $(pgrep -x fanfare) ws://localhost:8080/echo\n" +
		"  fanfare-load echo -n 1000 -duration 10s ws://localhost:8080/echo\n" +
		"  fanfare-load echo -n 500 -ramp 10s -think 100ms -duration 1m -fail 'p99>50ms' ws://localhost:8080/echo\n" +
		"  fanfare-load broadcast -n 10000 -rate 10 ws://localhost:8080/topics/news\n" +
		"  fanfare-load follow -n 1000 -rate 10 ws://node1:8080/hub ws://node2:8080/hub\n" +
		"  fanfare-load slow -n 1000 -stalled 1% -rate 100 ws://localhost:8080/topics/news\n" +
		exitStatuses)
	return b.String()
}

func names() string {
	all := make([]string, len(commands))
	for i, cmd := range commands {
		all[i] = cmd.name
	}
	return strings.Join(all, ", ")
}
