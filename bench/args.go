package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// options are what the arguments say.
type options struct {
	memory, echo bool
	quick        bool
	servers      []servers.Server
	json         string // file
	report       string // directory
}

const usage = `Usage: go run -C bench . SUBCOMMAND [flags]

  memory   memory for each connection, of the process and of the kernel
  echo     messages per second, processor time for each, latency
  all      both

Flags:
`

func parseArgs(args []string, out io.Writer) (*options, error) {
	o := &options{servers: servers.All}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.BoolVar(&o.quick, "quick", false, "fewer connections, shorter, and no rest: under 3 minutes instead of 30")
	f.StringVar(&o.json, "json", "", "write all figures to this `file`")
	f.StringVar(&o.report, "report", "", "write report.md, report.json and the charts to this `directory`")
	f.Func("servers", "only these `names`, with commas between, of "+strings.Join(servers.Names(), ", "), o.choose)
	help := func() {
		fmt.Fprint(out, usage)
		f.SetOutput(out)
		f.PrintDefaults()
	}
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch name {
	case "memory":
		o.memory = true
	case "echo":
		o.echo = true
	case "all":
		o.memory, o.echo = true, true
	case "-h", "-help", "--help", "help":
		help()
		return nil, flag.ErrHelp
	default:
		return nil, fmt.Errorf("%q is no subcommand: say memory, echo or all; then flags, which -h lists", name)
	}
	if err := f.Parse(args); err != nil {
		if err == flag.ErrHelp {
			help()
		}
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("%q is no flag; flags begin with a dash", f.Arg(0))
	}
	return o, nil
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

// sizes are the numbers of connections at which memory is measured.
func (o *options) sizes() []int {
	if o.quick {
		return []int{1000, 5000}
	}
	return []int{1000, 5000, 10000, 18000}
}

// rest is how long the connections are left alone before the last look at the memory;
// 0 for no such look.
func (o *options) rest() time.Duration {
	if o.quick {
		return 0
	}
	return 20 * time.Second
}

// loads are the echo loads.
func (o *options) loads() []echoLoad { return []echoLoad{{1000, 1}, {100, 16}} }

// rounds is how often each echo load is measured.
func (o *options) rounds() int { return 3 }

// duration is how long an echo load lasts.
func (o *options) duration() time.Duration {
	if o.quick {
		return 800 * time.Millisecond
	}
	return 5 * time.Second
}
