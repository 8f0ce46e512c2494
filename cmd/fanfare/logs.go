package main

import (
	"io"
	"log/slog"
	"regexp"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
)

// logger returns a logger whose level can change.
func logger(w io.Writer, c *config.Config) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	level.Set(levelOf(c))
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: withoutFields}
	if c.Log.JSON() {
		return slog.New(slog.NewJSONHandler(w, o)), level
	}
	return slog.New(slog.NewTextHandler(w, o)), level
}

// fieldsBesideFlags are what package wsproto says to programs that use it, beside the flags of this one.
var fieldsBesideFlags = regexp.MustCompile(`, or (?:in )?(?:"\*" in Server\.\w+,|Server\.[\w.]+(?: or Server\.\w+)?)`)

// withoutFields leaves out what means nothing to an operator.
func withoutFields(_ []string, a slog.Attr) slog.Attr {
	if a.Key == "allow" && a.Value.Kind() == slog.KindString {
		a.Value = slog.StringValue(fieldsBesideFlags.ReplaceAllString(a.Value.String(), ""))
	}
	return a
}

func levelOf(c *config.Config) slog.Level {
	if c.Verbose {
		return slog.LevelDebug
	}
	return c.Log.SlogLevel()
}

// announce says that the server listens: for people on stdout, for programs in the log.
func (a *app) announce(stdout io.Writer, all []openListener, files uint64) {
	if !a.cfg.Log.JSON() {
		a.greet(stdout, all, files)
		return
	}
	addrs := make([]string, len(all))
	for i, l := range all {
		addrs[i] = l.at.String()
	}
	args := []any{"version", daemon.Version(), "addresses", addrs, "connections", a.room(files), "open_files", files}
	if a.operators.server != nil {
		args = append(args, "operators", a.operators.listener().at.String())
	}
	a.log.Info("listening", args...)
}

// warnOf logs what may be a mistake in the configuration. The message is always the same.
func warnOf(log *slog.Logger, notes []string) {
	for _, note := range notes {
		log.Warn("the configuration may have a mistake", "note", note)
	}
}
