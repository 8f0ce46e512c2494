package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// With -log-format json each line on stderr is an object, from the start to the end, and nothing is on stdout.
func TestLogFormatJSON(t *testing.T) {
	c := startJSON(t)
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
		if !strings.HasPrefix(entry.Msg, "FANFARE_") { // a note about a variable of these tests
			says = append(says, entry.Msg)
		}
	}
	if all := strings.Join(says, "; "); says[0] != "listening" || !strings.Contains(all, "Done.") {
		t.Errorf("it says %s", all)
	}
	if out := c.stdout.String(); out != "" {
		t.Errorf("on stdout it says %q", out)
	}
}

// startJSON starts a program whose log is for programs.
func startJSON(t *testing.T) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &program{t: t, stop: cancel, status: make(chan int, 1)}
	go func() {
		p.status <- run(ctx, []string{"-addr", "127.0.0.1:0", "-admin", "127.0.0.1:0", "-log-format", "json"}, &p.stdout, &p.stderr)
	}()
	if !settles(func() bool { return strings.Contains(p.stderr.String(), `"msg":"listening"`) }) {
		t.Fatalf("it does not start: %s", p.stderr.String())
	}
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
