package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// With -log-format json each line on stderr is an object, from the start to the end, and nothing is on stdout.
func TestLogFormatJSON(t *testing.T) {
	c := startJSON(t, "-max-conns", "2000000000") // a note
	c.dial("/echo")
	c.stop()
	if status := <-c.status; status != 0 {
		t.Errorf("exit status %d", status)
	}
	var says []string
	for line := range strings.Lines(c.stderr.String()) {
		var entry struct{ Time, Level, Msg, Version string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Time == "" || entry.Level == "" {
			t.Errorf("%q: %v", line, err)
		}
		if entry.Msg == "listening" && entry.Version == "" {
			t.Errorf("no version: %s", line)
		}
		says = append(says, entry.Msg)
	}
	// What differs from time to time is not in the messages.
	want := []string{"the configuration may have a mistake", "listening", "closing connections", "the server has ended"}
	if says = slices.Compact(says); !slices.Equal(says, want) { // variables of these tests may be notes, too
		t.Errorf("it says %q, want %q", says, want)
	}
	if out := c.stdout.String(); out != "" {
		t.Errorf("on stdout it says %q", out)
	}
}

// startJSON starts a program whose log is for programs.
func startJSON(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &program{t: t, stop: cancel, status: make(chan int, 1)}
	go func() {
		p.status <- run(ctx, append([]string{"-addr", "127.0.0.1:0", "-admin", "127.0.0.1:0", "-log-format", "json"}, args...), &p.stdout, &p.stderr)
	}()
	if !settles(func() bool { return strings.Contains(p.stderr.String(), `"msg":"listening"`) }) {
		t.Fatalf("it does not start: %s", p.stderr.String())
	}
	p.addr = regexp.MustCompile(`"addresses":\["([^"]+)"`).FindStringSubmatch(p.stderr.String())[1]
	return p
}

// A program that cannot start says so in the form of its log.
func TestLogOfAFailedStart(t *testing.T) {
	p := start(t)
	var stdout, stderr netpolltest.Output
	if status := run(t.Context(), []string{"-addr", p.addr, "-log-format", "json"}, &stdout, &stderr); status != 1 {
		t.Errorf("exit status %d", status)
	}
	var entry struct{ Level, Error string }
	if err := json.Unmarshal([]byte(stderr.String()), &entry); err != nil || entry.Level != "ERROR" || !strings.Contains(entry.Error, p.addr) {
		t.Errorf("%v: %s", err, stderr.String())
	}
}

// An operator is told of flags, and not of the fields of a Go package.
func TestLogNamesFlagsOnly(t *testing.T) {
	for text, want := range map[string]string{
		"name it in -hosts, or in Server.Hosts":                                                                                           "name it in -hosts",
		"raise -max-handshakes or -handshake-rate, or Server.MaxHandshakes or Server.HandshakeRate":                                       "raise -max-handshakes or -handshake-rate",
		"raise -max-conns, or Server.Engine.MaxConns":                                                                                     "raise -max-conns",
		"do not trust it (-trusted-proxies, or Server.Proxies)":                                                                           "do not trust it (-trusted-proxies)",
		"if this is a proxy, name it in -trusted-proxies, or Server.Proxies; else raise -max-conns-per-addr, or Server.MaxConnsPerClient": "if this is a proxy, name it in -trusted-proxies; else raise -max-conns-per-addr",
		"serve the page over http; only -origins '*', or \"*\" in Server.Origins, admits pages from files and sandboxes":                  "serve the page over http; only -origins '*' admits pages from files and sandboxes",
	} {
		if got := withoutFields(nil, slog.String("allow", text)).Value.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	p := start(t)
	raw(t, p.addr, "GET /topics HTTP/1.1\r\nHost: example.org\r\n\r\n")
	if !settles(func() bool { return strings.Contains(p.stderr.String(), "name it in -hosts") }) || strings.Contains(p.stderr.String(), "Server.") {
		t.Errorf("it says %s", p.stderr.String())
	}
}

// The level is that of the flag; -verbose is the lowest.
func TestLogLevel(t *testing.T) {
	for flags, want := range map[string]slog.Level{
		"": slog.LevelInfo, "-log-level debug": slog.LevelDebug, "-log-level warn": slog.LevelWarn, "-log-level error": slog.LevelError,
		"-verbose": slog.LevelDebug, "-verbose -log-level warn": slog.LevelDebug,
	} {
		l := config.Load(strings.Fields(flags), nil)
		if got := levelOf(l.Config); len(l.Problems) > 0 || got != want {
			t.Errorf("%q: %v, want %v; %v", flags, got, want, l.Problems)
		}
	}
	for flags, says := range map[string]string{"-log-level loud": "must be debug, info, warn or error", "-log-format xml": "must be text or json"} {
		if l := config.Load(strings.Fields(flags), nil); len(l.Problems) != 1 || !strings.Contains(l.Problems[0].String(), says) {
			t.Errorf("%q: %v", flags, l.Problems)
		}
	}
}
