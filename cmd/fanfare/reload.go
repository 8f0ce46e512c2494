package main

import (
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
)

// reloader reads the configuration again at SIGHUP, from the same command line and the same environment.
type reloader struct {
	args    []string
	log     *slog.Logger
	current *config.Config  // in force
	files   config.Contents // of the files that it names
	// apply makes a configuration the one in force, as far as it can change while the server runs. After an error nothing
	// has changed.
	apply func(now *config.Config) error
}

// reload changes nothing if there is any mistake, in the new configuration or in what of it can be in force before a restart.
func (r *reloader) reload() {
	l := config.Load(r.args, os.Environ())
	if l.Inspect(time.Now()); r.refuses(l.Problems) {
		return
	}
	restart := config.Diff(r.current, l.Config).Restart
	files := l.Config.Contents() // before they are read to be put into force: a later change is one for the next reload
	now := l.Over(r.current)
	if now.Inspect(time.Now()); r.refuses(now.Problems, "restart", restart) {
		return
	}
	if err := r.apply(now.Config); err != nil {
		r.log.Error("nothing was reloaded", "error", err)
		return
	}
	changed := config.Diff(r.current, now.Config).With(r.files, files).Live
	r.current, r.files = now.Config, files
	warnOf(r.log, now.Notes)
	if !r.current.NamesFiles() { // flags and environment are as they were, but what fails may have been tried again
		r.log.Info("there is nothing to reload: no setting names a file")
		return
	}
	r.log.Info("reloaded the configuration and its files", "changed", changed, "restart", restart)
}

// refuses logs mistakes, and reports whether there are any.
func (r *reloader) refuses(mistakes config.Problems, args ...any) bool {
	for _, p := range mistakes {
		r.log.Error("nothing was reloaded", append([]any{"error", p.String()}, args...)...)
	}
	return len(mistakes) > 0
}

// apply returns the function that applies a new configuration. What can fail comes first: nothing is in force before all
// files are read, and if the limits cannot be set, nothing is.
func (a *app) apply(level *slog.LevelVar) func(now *config.Config) error {
	return func(now *config.Config) error {
		use, err := a.prepare(now)
		if err == nil {
			err = a.server.SetLimits(serverLimits(now))
		}
		if err != nil {
			return err
		}
		for _, f := range use {
			f()
		}
		a.rules.set(now.Topics, a.cfg.Limits.MaxPending)
		a.rates.set(now)
		level.Set(levelOf(now))
		a.certificates.retry()
		return nil
	}
}

// prepare reads the files of a configuration, and returns what puts them into force. It changes nothing.
func (a *app) prepare(now *config.Config) (use []func(), err error) {
	certificate, err := a.certificates.prepare()
	if err != nil {
		return nil, err
	}
	hooks, err := a.hooks.prepare(now, a.log)
	if err != nil {
		return nil, err
	}
	events, err := a.events.prepare(now, a.log)
	if err != nil {
		return nil, err
	}
	rights, errs := a.access.Prepare(now.Policy())
	return []func(){certificate, hooks, events, rights}, errors.Join(errs...)
}
