package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/doctor"
)

// ports are the ports of TCP at which the server listens, each once. That of a socket of systemd is not known.
func ports(listeners []config.Listener) (all []string) {
	for _, l := range listeners {
		if l.Unix() != "" || strings.HasPrefix(l.Addr, config.SystemdPrefix) {
			continue
		}
		if _, port, err := net.SplitHostPort(l.Addr); err == nil && !slices.Contains(all, port) {
			all = append(all, port)
		}
	}
	return all
}

// diagnose is the command doctor. Its exit status is 1 if the machine holds less than the settings want.
func diagnose(l *config.Loaded, m doctor.Machine, stdout, stderr io.Writer) (status int) {
	c := l.Config
	r := doctor.Examine(m, doctor.Options{
		MaxConns: c.Limits.MaxConns,
		Ports:    ports(c.Listen),
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
