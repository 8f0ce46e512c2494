package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// ErrTerminated is the cause of a context that SIGTERM has ended. A service manager sends it to a server that others may
// wait for; SIGINT comes from somebody at a keyboard, who does not want to wait.
var ErrTerminated = errors.New("terminated by SIGTERM")

// Main calls run with a context that ends at the first SIGINT or SIGTERM, and exits with the status that run returns. The
// context's cause is ErrTerminated after a SIGTERM. A second signal kills the process.
func Main(run func(ctx context.Context, args []string, stdout, stderr io.Writer) (status int)) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-signals
		signal.Stop(signals) // from now on the signals do what they do by default
		if s == syscall.SIGTERM {
			cancel(ErrTerminated)
		}
		cancel(nil)
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// OnHangup calls f at each SIGHUP, one call after the other, until stop is called. SIGHUP then does what it did before.
func OnHangup(f func()) (stop func()) {
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		defer close(done)
		for range signals {
			f()
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		<-done
	}
}

// Logger returns a logger to w. If verbose is set it also logs debug messages, such as refused handshakes.
func Logger(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}
