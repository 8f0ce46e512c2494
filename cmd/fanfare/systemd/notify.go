package systemd

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// statusInterval is the time between two texts for systemctl status, if there is no watchdog that needs less.
const statusInterval = 30 * time.Second

// Notifier tells systemd what the server does (sd_notify(3)).
type Notifier struct {
	log      *slog.Logger
	watchdog time.Duration // WatchdogSec= of the unit, or 0
}

// NewNotifier returns a notifier for the service manager that the environment names, or nil if there is none. All methods of
// a nil Notifier do nothing.
func NewNotifier(log *slog.Logger) *Notifier {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return nil
	}
	n := &Notifier{log: log}
	var err error
	if n.watchdog, err = daemon.SdWatchdogEnabled(false); err != nil {
		log.Warn("the watchdog of systemd is off", "error", err)
	}
	return n
}

// send sends assignments. It blocks while the service manager reads nothing and its queue is full.
func (n *Notifier) send(lines ...string) {
	if n == nil {
		return
	}
	if _, err := daemon.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		n.log.Warn("systemd cannot be told", "message", lines[0], "error", err)
	}
}

// Ready says that the server listens, or that it has reloaded.
func (n *Notifier) Ready(status string) { n.send(daemon.SdNotifyReady, statusLine(status)) }

// Reloading says that the server reads its configuration again. Ready must follow.
func (n *Notifier) Reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil { // it has no other error than a bad argument
		return
	}
	n.send(daemon.SdNotifyReloading, fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000))
}

// Stopping says that the server ends, within that time. It extends TimeoutStopSec= of the unit.
func (n *Notifier) Stopping(status string, within time.Duration) {
	n.send(daemon.SdNotifyStopping, statusLine(status), fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", within.Microseconds()))
}

// statusLine returns the text that systemctl status shows. A line break would begin another message.
func statusLine(s string) string { return "STATUS=" + strings.ReplaceAll(s, "\n", " ") }

// Watch tells systemd regularly what the status is and, if the unit has a watchdog, that the server works: that alive has
// returned nil within half of the time that the watchdog has. It returns when ctx is done.
func (n *Notifier) Watch(ctx context.Context, alive func(context.Context) error, status func() string) {
	if n == nil {
		return
	}
	every := statusInterval
	if n.watchdog > 0 {
		every = max(min(n.watchdog/2, statusInterval), time.Millisecond)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		n.report(ctx, every, alive, status)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// report sends one message. A server that does not answer is not alive, and systemd hears nothing, so that it restarts it.
func (n *Notifier) report(ctx context.Context, within time.Duration, alive func(context.Context) error, status func() string) {
	if n.watchdog == 0 {
		n.send(statusLine(status()))
		return
	}
	asked, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	switch err := alive(asked); {
	case err == nil:
		n.send(daemon.SdNotifyWatchdog, statusLine(status()))
	case ctx.Err() == nil:
		n.log.Error("the watchdog of systemd is not fed", "error", err, "within", within)
	}
}
