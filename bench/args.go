package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// options are what the arguments say.
type options struct {
	kinds   []kind // what is measured
	check   bool   // against results
	quick   bool
	few     bool // two rounds
	servers []servers.Server
	json    string // file
	report  string // directory
	results string // directory
}

const usage = `Usage: go run -C bench . SUBCOMMAND [flags]

  memory      memory for each connection, of the process and of the kernel
  echo        messages per second, processor time for each, latency
  broadcast   the same for deliveries to subscribers
  churn       connections opened and closed per second
  simulate    the hub with up to 10 million subscribers that have no socket
  all         all of them
  floor       Fanfare's broadcast beside the least that one can cost; floor -h
  check       Fanfare's memory and instructions against the report in -results
  figures     measures Fanfare's memory again, for README.md; figures -h
  report      draws the kept report anew

Flags:
`

// subcommands are the kinds that each measures.
var subcommands = map[string][]kind{
	"memory": {memory}, "echo": {echo}, "broadcast": {broadcast}, "churn": {churn}, "simulate": {simulation},
	"all":   {memory, echo, broadcast, churn, simulation},
	"check": {memory, echo},
}

func parseArgs(args []string, out io.Writer) (*options, error) {
	o := &options{servers: servers.All}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.BoolVar(&o.quick, "quick", false, "one round, fewer connections, shorter, and no rest: under 3 minutes instead of 30")
	f.StringVar(&o.json, "json", "", "write all figures to this `file`")
	f.StringVar(&o.report, "report", "", "write report.md, report.json and the charts to this `directory`")
	f.StringVar(&o.results, "results", "results", "`directory` of the report that check compares with")
	f.Func("servers", "only these `names`, with commas between, of "+strings.Join(servers.Names(), ", "), o.choose)
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch name {
	case "-h", "-help", "--help", "help":
		name, args = "all", []string{"-h"}
	}
	if o.kinds = subcommands[name]; o.kinds == nil {
		return nil, fmt.Errorf("%q is no subcommand: say memory, echo, broadcast, churn, simulate, all, floor, check, figures or report; then flags, which -h lists", name)
	}
	if err := parseFlags(f, usage, args, out); err != nil {
		return nil, err
	}
	if o.check = name == "check"; o.check {
		// TLS 1.2 shows nothing that 1.3 does not.
		o.servers = slices.DeleteFunc(fanfareServers(), func(s servers.Server) bool { return s.Name == "fanfare-tls12" })
	}
	return o, nil
}

// parseFlags writes usage and the flags to out if args ask for them.
func parseFlags(f *flag.FlagSet, usage string, args []string, out io.Writer) error {
	f.SetOutput(io.Discard)
	err := f.Parse(args)
	if err == flag.ErrHelp {
		fmt.Fprint(out, usage)
		f.SetOutput(out)
		f.PrintDefaults()
	}
	if err == nil && f.NArg() > 0 {
		err = fmt.Errorf("%q is no flag; flags begin with a dash", f.Arg(0))
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
