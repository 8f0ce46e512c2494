package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/doctor"
)

// diagnose is the command doctor. Its exit status is 1 if the machine holds less than the settings want.
func diagnose(l *config.Loaded, m doctor.Machine, stdout, stderr io.Writer) (status int) {
	c := l.Config
	r := doctor.Examine(m, doctor.Options{
		MaxConns: c.Limits.MaxConns,
		TLS:      slices.ContainsFunc(c.Listen, func(l config.Listener) bool { return l.Secure(c.Secure()) }),
	})
	if l.JSON {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		if err := e.Encode(r); err != nil {
			fmt.Fprintln(stderr, "fanfare:", err)
			return 1
		}
	} else {
		r.WriteText(stdout)
	}
	if !r.OK() {
		return 1
	}
	return 0
}
