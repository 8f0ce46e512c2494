package serving

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// ParseFlags parses a program's arguments, and has what they say checked. It returns
// flag.ErrHelp if help was asked for, which is usage and the flags; every other error has
// been told on w.
func ParseFlags(f *flag.FlagSet, args []string, usage string, w io.Writer, check func() error) error {
	f.SetOutput(io.Discard)
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(w, usage)
		f.SetOutput(w)
		f.PrintDefaults()
		return err
	}
	if err == nil && f.NArg() > 0 {
		err = fmt.Errorf("%q is no flag; flags begin with a dash", f.Arg(0))
	}
	if err == nil {
		err = check()
	}
	if err != nil {
		fmt.Fprintf(w, "%s: %v\nRun %[1]s -help for the flags.\n", f.Name(), err)
	}
	return err
}
