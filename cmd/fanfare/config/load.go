package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
)

// Command is what the command line asks for.
type Command string

const (
	Serve   Command = ""        // start the server
	Check   Command = "check"   // check the settings
	Print   Command = "config"  // print a file with the defaults
	Health  Command = "health"  // ask a server whether it is up
	Doctor  Command = "doctor"  // examine this machine
	Top     Command = "top"     // show a running server in the terminal; its arguments are package top's
	Version Command = "version" // print the version
	Help    Command = "help"    // print the help
)

// Loaded is what [Load] found.
type Loaded struct {
	Command  Command
	Address  string   // the argument of Health, if there is one
	CA       string   // the file of authorities that Health trusts; "" if it verifies no certificate
	JSON     bool     // what Doctor prints
	All      bool     // Check prints all settings
	Config   *Config  // as far as it is right
	Problems Problems // all mistakes in flags, variables and the file, in that order
	Notes    []string // what may be a mistake
}

// loader sets the fields of a Config.
type loader struct {
	reporter
	value reflect.Value // of config
	file  string
	own   ofCommand
}

// Load reads the settings from a command line, without the name of the program, from an environment in the form of
// [os.Environ], and from the file that -config names. To reload, call it again with the same arguments. It reads no other
// file, and opens no socket; [Config.Inspect] looks at those.
func Load(args, environ []string) *Loaded {
	c := defaults()
	l := &loader{reporter: newReporter(c), value: valueOf(c)}
	command, flags := l.parseFlags(args)
	env := variables(environ)
	l.setFile(flags, env)
	l.loadFile()
	l.loadEnvironment(env)
	l.loadFlags(flags)
	l.validate()
	c.derive()
	l.problems.sort()
	return &Loaded{Command: command, Address: l.own.address, CA: l.own.ca, JSON: l.own.json, All: l.own.all, Config: c, Problems: l.problems, Notes: l.notes}
}

// setFile finds the file's name, which must be known before all others.
func (l *loader) setFile(flags []given, env map[string]string) {
	l.file = env[settings().byPath["config"].env]
	for _, f := range flags {
		if f.flag == "config" {
			l.file = f.text
		}
	}
}

// maxFile is the largest file, in bytes.
const maxFile = 4 << 20

func (l *loader) loadFile() {
	if l.file == "" {
		return
	}
	text, err := readFile(l.file)
	if err != nil {
		l.problems = append(l.problems, Problem{Source: Source{FromFile, l.file, 0}, Text: ": " + err.Error()})
		return
	}
	root, problems := parseDocument(l.file, text)
	l.problems = append(l.problems, problems...)
	if l.decode(root, ""); len(l.problems) == 0 { // the tree may be less strict
		l.problems = checkDocument(l.file, text)
	}
}

// readFile returns what a file has, and an error without its name.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, plainPath(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, plainPath(err)
	case len(b) > maxFile:
		return nil, fmt.Errorf("the file has more than %v", Size(maxFile))
	}
	return b, nil
}

// plainPath returns the cause of an error about a file, which is named beside it.
func plainPath(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// variables returns the variables of an environment that have a value.
func variables(environ []string) map[string]string {
	env := make(map[string]string)
	for _, e := range environ {
		if name, text, _ := strings.Cut(e, "="); text != "" && strings.HasPrefix(name, envPrefix+"_") {
			env[name] = text
		}
	}
	return env
}

func (l *loader) loadEnvironment(env map[string]string) {
	known := make([]string, 0, len(settings().fields))
	for _, f := range settings().fields {
		known = append(known, f.env)
		if text, given := env[f.env]; given {
			from := Source{Origin: FromEnvironment, Name: f.env}
			l.replace(f, from)
			l.setText(f, from, text)
			delete(env, f.env)
		}
	}
	for name := range env { // others may be for other programs
		if like := suggestWithin((len(name)-len(envPrefix))/4, name, known); like != "" { // the prefix makes no names alike
			l.notes = append(l.notes, name+": this variable is not a setting"+like)
		}
	}
}

func (l *loader) loadFlags(flags []given) {
	seen := make(map[string]bool)
	for _, f := range settings().fields {
		for _, g := range flags {
			if g.flag != f.flag {
				continue
			}
			from := Source{Origin: FromFlag, Name: f.flag}
			if !seen[g.flag] {
				l.replace(f, from)
			}
			seen[g.flag] = true
			l.setText(f, from, g.text)
		}
	}
}

// replace makes a source the only one of a field.
func (l *loader) replace(f *field, from Source) {
	for path := range l.config.sources {
		if strings.HasPrefix(path, f.path+"[") {
			delete(l.config.sources, path)
		}
	}
	l.config.sources[f.path] = from
	delete(l.bad, f.path)
	if v := f.of(l.value); v.Kind() == reflect.Slice {
		v.SetZero()
	}
}

// setText sets a field to the text of a flag or of a variable.
func (l *loader) setText(f *field, from Source, text string) {
	v := f.of(l.value)
	l.try(f.path, from, func() error { return set(v, f.tag, text) }, v)
	if f.rows() {
		l.rowSources(f, v, from)
	}
}

// try calls set. If it fails, the value remains what it was, and the mistake is reported.
func (l *loader) try(path string, from Source, set func() error, v reflect.Value) {
	before := reflect.ValueOf(v.Interface())
	err := set()
	if err == nil {
		return
	}
	if v.Set(reflect.Zero(v.Type())); before.IsValid() {
		v.Set(before)
	}
	var r *rangeError
	if errors.As(err, &r) {
		l.report(path, from, " is "+r.value+"; "+r.Error())
		return
	}
	l.report(path, from, ": "+err.Error())
}

func valueOf(c *Config) reflect.Value { return reflect.ValueOf(c).Elem() }
