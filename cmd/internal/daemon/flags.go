package daemon

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// ParseFlags parses a program's arguments and then calls check. If the arguments ask for help or for the version,
// it writes that to stdout and returns flag.ErrHelp. It writes every other error to stderr.
func ParseFlags(f *flag.FlagSet, args []string, usage string, stdout, stderr io.Writer, check func() error) error {
	f.SetOutput(io.Discard)
	version := f.Bool("version", false, "print the version and exit")
	ExplainValues(f)
	err := FlagError(f.Parse(args))
	switch {
	case errors.Is(err, flag.ErrHelp), err == nil && f.Arg(0) == "help" && f.NArg() == 1:
		fmt.Fprint(stdout, usage)
		f.SetOutput(stdout)
		f.PrintDefaults()
		return flag.ErrHelp
	case err == nil && (*version || f.Arg(0) == "version" && f.NArg() == 1):
		fmt.Fprintln(stdout, f.Name(), Version())
		return flag.ErrHelp
	case err == nil && f.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q: only flags are allowed, and they begin with a dash", f.Arg(0))
	case err == nil:
		err = check()
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\nRun %[1]s -help for the flags.\n", f.Name(), err)
	}
	return err
}

// FlagError returns an error of flag.FlagSet.Parse in the words of the programs.
func FlagError(err error) error {
	if err == nil {
		return nil
	}
	if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: "); ok {
		return fmt.Errorf("unknown flag %s", name)
	}
	return err
}
