package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// options holds the values of the arguments.
type options struct {
	kinds   []kind // what to measure
	check   bool   // compare with results
	quick   bool
	few     bool // only two rounds
	servers []servers.Server
	json    string // file
	report  string // directory
	results string // directory
}

const usage = `Usage: go run -C bench . SUBCOMMAND [flags]

  memory      memory per connection, of the process and of the kernel
  echo        messages per second, CPU time per message, latency
  broadcast   the same for deliveries to subscribers
  churn       connections opened and closed per second
  simulate    the hub with up to 10 million subscribers without sockets
  all         all of these
  floor       cmd/fanfare compared with a bare loop of system calls; see floor -h
  cluster     nodes joined by NATS, of which one is killed under load; see cluster -h
  compression CPU time and sizes of compressed messages, beside gws and zlib; see compression -h
  check       compares Fanfare's memory and instructions with the report in -results
  figures     measures Fanfare's memory again, for README.md; see figures -h
  report      writes the recorded report again

Flags:
`

// subcommands has the kinds that each subcommand measures.
var subcommands = map[string][]kind{
	"memory": {memory}, "echo": {echo}, "broadcast": {broadcast}, "churn": {churn}, "simulate": {simulation},
	"all":   {memory, echo, broadcast, churn, simulation},
	"check": {memory, echo},
}

func parseArgs(args []string, out io.Writer) (*options, error) {
	o := &options{servers: servers.All}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.BoolVar(&o.quick, "quick", false, "one round, fewer connections, shorter loads, and no rest: under 3 minutes instead of 30")
	f.StringVar(&o.json, "json", "", "write all figures to this `file`")
	f.StringVar(&o.report, "report", "", "write report.md, report.json and the charts to this `directory`")
	f.StringVar(&o.results, "results", "results", "`directory` of the recorded report, for check")
	f.Func("servers", "comma-separated `names` of the servers to measure, of "+strings.Join(servers.Names(), ", "), o.choose)
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch name {
	case "-h", "-help", "--help", "help":
		name, args = "all", []string{"-h"}
	}
	if o.kinds = subcommands[name]; o.kinds == nil {
		return nil, fmt.Errorf("unknown subcommand %q; it must be memory, echo, broadcast, churn, simulate, all, floor, cluster, compression, check, figures or report (-h for the flags)", name)
	}
	if err := parseFlags(f, usage, args, out); err != nil {
		return nil, err
	}
	if o.check = name == "check"; o.check {
		// TLS 1.2 shows nothing that TLS 1.3 does not show.
		o.servers = slices.DeleteFunc(fanfareServers(), func(s servers.Server) bool { return s.Name == "fanfare-tls12" })
	}
	return o, nil
}

// setOthers sets the flags that were not given.
func setOthers(f *flag.FlagSet, to map[string]func()) {
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, set := range to {
		if !given[name] {
			set()
		}
	}
}

// parseFlags writes usage and the flags to out if args ask for help.
func parseFlags(f *flag.FlagSet, usage string, args []string, out io.Writer) error {
	f.SetOutput(io.Discard)
	err := f.Parse(args)
	if err == flag.ErrHelp {
		fmt.Fprint(out, usage)
		f.SetOutput(out)
		f.PrintDefaults()
	}
	if err == nil && f.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q: only flags are allowed, and they begin with a dash", f.Arg(0))
	}
	return err
}

func (o *options) choose(list string) error {
	o.servers = nil
	for name := range strings.SplitSeq(list, ",") {
		s, err := servers.Find(name)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(o.servers, func(t servers.Server) bool { return t.Name == s.Name }) {
			o.servers = append(o.servers, s)
		}
	}
	return nil
}
