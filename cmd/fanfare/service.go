package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/systemd"
)

// stopMargin is how much longer than its phases the end of the server may take before systemd kills it.
const stopMargin = 10 * time.Second

// service tells the service manager how the server is.
type service struct {
	*systemd.Notifier
	app *app
}

// begin says that the server is up, and then, until stop is called or ctx is done, how it is.
func (s *service) begin(ctx context.Context) (stop func(), err error) {
	if s.Notifier == nil {
		return func() {}, nil
	}
	h, err := newHeartbeat(s.app.server)
	if err != nil {
		return nil, err
	}
	s.Ready(s.status())
	// The server ends while it is watched: a shutdown takes minutes.
	watched, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { s.Watch(watched, h.alive, s.status) })
	leaving := context.AfterFunc(ctx, s.leave)
	return func() {
		leaving()
		cancel()
		running.Wait()
	}, nil
}

func (s *service) leave() {
	d := &s.app.cfg.Shutdown
	s.Stopping(s.status(), d.Grace+d.Window+d.Drain+stopMargin)
}

// status is what systemctl status shows.
func (s *service) status() string {
	state := "Serving"
	if s.app.leaving.Load() {
		state = "Stopping with"
	}
	return fmt.Sprintf("%s %d connections, %d topics", state, s.app.server.Stats().Open, s.app.hub.Stats().Topics)
}

// reloading calls reload, and says so.
func (s *service) reloading(reload func()) func() {
	return func() {
		s.Reloading()
		defer func() { s.Ready(s.status()) }()
		reload()
	}
}
