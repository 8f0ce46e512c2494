package daemon

import (
	"bytes"
	"flag"
	"strings"
	"testing"
	"time"
)

func TestExplainValues(t *testing.T) {
	for arg, says := range map[string]string{
		"-ping=25":                "write 25s for seconds",
		"-ping=1.5":               "write 1.5s for seconds",
		"-ping=soon":              "such as 500ms, 10s or 2m",
		"-ping=25s":               "",
		"-n=1000":                 "",
		"-n=1.5":                  "a whole number",
		"-n=many":                 "a whole number",
		"-n=99999999999999999999": "too large",
		"-name=25":                "",
		"-size=lots":              "is not a size",
		"-size=25":                "",
	} {
		f := flag.NewFlagSet("x", flag.ContinueOnError)
		var out bytes.Buffer
		f.SetOutput(&out)
		var size int
		ping, n := f.Duration("ping", time.Minute, "`time`"), f.Int("n", 7, "`number`")
		f.String("name", "", "`name`")
		SizeVar(f, &size, "size", 0, "`bytes`")
		ExplainValues(f)
		err := f.Parse([]string{arg})
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want %q", arg, err, says)
		}
		if arg == "-ping=25s" && *ping != 25*time.Second || arg == "-n=1000" && *n != 1000 {
			t.Errorf("%s: ping is %v, n is %d", arg, *ping, *n)
		}
	}
}

// The help must not change: defaults are shown unless they are zero.
func TestExplainValuesHelp(t *testing.T) {
	help := func(explain bool) string {
		f := flag.NewFlagSet("x", flag.ContinueOnError)
		var out bytes.Buffer
		f.SetOutput(&out)
		f.Duration("a", 0, "`time`")
		f.Duration("b", time.Second, "`time`")
		f.Int("c", 0, "`number`")
		f.Int("d", 3, "`number`")
		f.Bool("e", false, "say so")
		if explain {
			ExplainValues(f)
		}
		f.PrintDefaults()
		return out.String()
	}
	if got, want := help(true), help(false); got != want {
		t.Errorf("the help is\n%s\nwithout ExplainValues it is\n%s", got, want)
	}
}
