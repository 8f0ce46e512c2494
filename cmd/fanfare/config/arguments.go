package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/httpurl"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/serveraddr"
)

// parseFlags parses the command line. Flags begin with one dash or with two.
func (l *loader) parseFlags(args []string) (Command, []given) {
	r := new(recorder)
	k := newParser(new(commandLine), r)
	a := arguments{flags: make(map[string]*kong.Flag)}
	for _, f := range k.Model.Flags {
		a.flags[f.Name] = f
	}
	for _, c := range k.Model.Children {
		a.commands = append(a.commands, c.Name)
	}
	ctx, err := kong.Trace(k, a.normalize(args))
	if err == nil {
		err = ctx.Error
	}
	if err != nil { // normalize has left out all that can be wrong
		a.report("%v", err)
		return Serve, r.flags
	}
	l.problems = append(l.problems, a.problems...)
	l.own = ofCommand{address: a.address, ca: last(r.flags, "ca"), json: last(r.flags, "json") == "true", all: last(r.flags, "all") == "true"}
	c := command(ctx, r.flags)
	for _, f := range ofOne {
		if value := last(r.flags, f.flag); value != "" && value != "false" && c != f.command {
			l.problems = append(l.problems, Problem{Text: fmt.Sprintf("-%s is for fanfare %s; %s", f.flag, f.command, f.why)})
		}
	}
	return c, r.flags
}

// last returns the value of a flag, which is the last one that is given; "" for none.
func last(flags []given, name string) (text string) {
	for _, g := range flags {
		if g.flag == name {
			text = g.text
		}
	}
	return text
}

// isOn reports whether a flag without a value is given.
func isOn(flags []given, name string) bool {
	return slices.ContainsFunc(flags, func(g given) bool { return g.flag == name && g.text == "true" })
}

// command returns what the command line asks for. A flag that asks for help or for the version comes before a command.
func command(ctx *kong.Context, flags []given) Command {
	switch {
	case isOn(flags, "help"):
		return Help
	case isOn(flags, "version"):
		return Version
	}
	if node := ctx.Selected(); node != nil {
		return Command(node.Name)
	}
	return Serve
}

// arguments brings a command line into the form that package kong parses. It leaves out what is wrong, and reports it, so
// that all mistakes are found.
type arguments struct {
	flags    map[string]*kong.Flag
	commands []string
	command  Command // that was given
	address  string  // the argument of Health
	problems Problems
}

func (a *arguments) report(format string, args ...any) {
	a.problems = append(a.problems, Problem{Text: fmt.Sprintf(format, args...)})
}

func (a *arguments) normalize(args []string) (good []string) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name, isFlag := flagName(arg)
		if !isFlag {
			good = append(good, a.positional(arg)...)
			continue
		}
		flag := a.flags[name]
		_, value, hasValue := strings.Cut(arg, "=")
		switch {
		case flag == nil:
			args = a.unknown(name, hasValue, args)
			continue
		case hasValue:
			good = append(good, "--"+name+"="+value)
		case flag.Target.Kind() == reflect.Bool:
			good = append(good, "--"+name)
		case len(args) == 0:
			a.report("-%s needs a value: write -%[1]s %s", name, flag.Tag.PlaceHolder)
		default:
			good = append(good, "--"+name+"="+args[0])
			args = args[1:]
		}
	}
	return good
}

// flagName returns the name of the flag in an argument.
func flagName(arg string) (name string, isFlag bool) {
	name, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
	if name == "h" {
		name = "help"
	}
	return name, len(arg) > 1 && arg[0] == '-'
}

// positional returns the argument if it is the first command. It keeps the argument of a command.
func (a *arguments) positional(arg string) []string {
	if slices.Contains(a.commands, arg) && a.command == Serve {
		a.command = Command(arg)
		return []string{arg}
	}
	if a.command == Health && a.address == "" {
		a.address = arg
		if _, err := serveraddr.Parse(arg); err != nil {
			a.report("%v", err)
		}
		return nil
	}
	if strings.Contains(arg, "://") { // it may belong to -webhook-url
		arg = httpurl.HostOnly(arg)
	}
	if like := suggest(arg, a.commands); like != "" && a.command == Serve {
		a.report("unexpected argument %q%s", arg, like)
		return nil
	}
	a.report("unexpected argument %q: the commands are %s, and flags begin with a dash", arg, strings.Join(a.commands, ", "))
	return nil
}

// unknown reports an unknown flag. What follows it and is neither a flag nor a command is taken for its value.
func (a *arguments) unknown(name string, hasValue bool, args []string) []string {
	var all []string
	for f := range a.flags {
		all = append(all, f)
	}
	slices.Sort(all)
	like := strings.Replace(suggest(name, all), "mean ", "mean -", 1)
	a.report("unknown flag -%s%s", name, like)
	if len(args) == 0 || hasValue {
		return args
	}
	if _, isFlag := flagName(args[0]); isFlag || slices.Contains(a.commands, args[0]) {
		return args
	}
	return args[1:]
}
