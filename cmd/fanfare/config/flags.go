package config

import (
	"reflect"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// commandLine is what package kong knows of the command line.
type commandLine struct {
	Config `embed:""`

	Help    bool `short:"h" group:"General" help:"print this help and exit"`
	Version bool `group:"General" help:"print the version and exit"`
	JSON    bool `name:"json" group:"General" help:"make doctor print JSON"`
	All     bool `name:"all" group:"General" help:"make check print all settings"`

	CA string `name:"ca" group:"General" placeholder:"FILE" help:"make health verify the server's certificate, with the authorities in this file, in PEM. Without it, health verifies none"`

	Check   struct{} `cmd:"" help:"check all settings, print those that differ from their defaults with their sources, and exit with 0 or 1"`
	Default struct{} `cmd:"" name:"config" help:"print a file with all settings and their defaults, in TOML"`
	Health  struct{} `cmd:"" help:"ask a server whether it is up, and exit with 0 or 1: the one that these settings are for, or the one at host:port, at a URL or at unix:/path"`
	Doctor  struct{} `cmd:"" help:"say how many connections this machine can hold, what limits that, and how to raise it; exit with 0 or, if the limit is below -max-conns, 1"`
	Top     struct{} `cmd:"" help:"show the state of a running server in the terminal: fanfare top -help"`
	Release struct{} `cmd:"" name:"version" help:"print the version"`
	Usage   struct{} `cmd:"" name:"help" help:"print this help"`
}

// ofCommand holds the arguments of single commands, which are not settings of the server.
type ofCommand struct {
	address string // of Health
	ca      string
	json    bool
	all     bool
}

// ofOne are the flags that are for one command.
var ofOne = []struct {
	flag    string
	command Command
	why     string
}{
	{"json", Doctor, "no other command prints JSON"},
	{"all", Check, "which prints all settings then"},
	{"ca", Health, "which verifies certificates then"},
}

// envPrefix begins the names of all variables.
const envPrefix = "FANFARE"

// given is a flag of the command line with its value.
type given struct{ flag, text string }

// recorder is the mapper of all flags. It keeps the texts; set parses them, so that all mistakes can be reported at once.
type recorder struct{ flags []given }

func (r *recorder) Decode(ctx *kong.DecodeContext, _ reflect.Value) error {
	text := "true"
	if !ctx.Value.IsBool() || ctx.Scan.Peek().Type == kong.FlagValueToken {
		if err := ctx.Scan.PopValueInto("value", &text); err != nil {
			return err
		}
	}
	r.flags = append(r.flags, given{ctx.Value.Flag.Name, text})
	return nil
}

// newParser returns a parser of the command line into r.
func newParser(cli *commandLine, r *recorder) *kong.Kong {
	options := []kong.Option{
		kong.Name("fanfare"), kong.NoDefaultHelp(), kong.DefaultEnvars(envPrefix), kong.WithHyphenPrefixedParameters(true),
		kong.FlagNamer(kebab),
	}
	for _, t := range []reflect.Type{
		reflect.TypeFor[time.Duration](), reflect.TypeFor[Size](), reflect.TypeFor[int](), reflect.TypeFor[bool](),
		reflect.TypeFor[string](), reflect.TypeFor[[]string](), reflect.TypeFor[[]Listener](), reflect.TypeFor[[]Topic](),
	} {
		options = append(options, kong.TypeMapper(t, r))
	}
	return kong.Must(cli, options...)
}

// nameFlags gives the settings their flags and variables.
func nameFlags(s *schema) {
	cli := new(commandLine)
	at := make(map[uintptr]*field)
	v := reflect.ValueOf(&cli.Config).Elem()
	for _, f := range s.fields {
		at[f.of(v).Addr().Pointer()] = f
	}
	for _, flag := range newParser(cli, new(recorder)).Model.Flags {
		if f := at[flag.Target.Addr().Pointer()]; f != nil {
			f.flag, f.env = flag.Name, strings.Join(flag.Envs, "")
		}
	}
}

// Flag describes a flag.
type Flag struct {
	Path    string // of the setting in the file
	Default string // in the form of the flag
}

// Flags returns the flags of all settings, by their names.
func Flags() map[string]Flag {
	all := make(map[string]Flag)
	for _, f := range settings().fields {
		if f.flag != "" {
			all[f.flag] = Flag{f.path, f.tag.Get("default")}
		}
	}
	return all
}
