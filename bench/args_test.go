package main

import (
	"errors"
	"flag"
	"strings"
	"testing"
)

func TestArgs(t *testing.T) {
	o, err := parseArgs(strings.Fields("all -quick -servers gws,fanfare,gws"), new(strings.Builder))
	if err != nil || len(o.kinds) != 5 || !o.quick || len(o.servers) != 2 || o.servers[0].Name != "gws" {
		t.Errorf("%+v, %v", o, err)
	}
	for args, says := range map[string]string{
		"":                   "must be memory, echo, broadcast",
		"dance":              `unknown subcommand "dance"`,
		"echo twice":         `unexpected argument "twice"`,
		"echo -servers x":    `unknown server "x"`,
		"memory -no-such":    "no-such",
		"memory -servers a,": `"a"`,
	} {
		if _, err := parseArgs(strings.Fields(args), new(strings.Builder)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", args, err, says)
		}
	}
	for _, args := range []string{"-h", "help", "echo -h"} {
		var out strings.Builder
		if _, err := parseArgs(strings.Fields(args), &out); !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), "-quick") {
			t.Errorf("%s: %v, %s", args, err, out.String())
		}
	}
}
