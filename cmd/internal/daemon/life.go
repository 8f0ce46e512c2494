package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// Main is what main calls: it runs the program until it is interrupted, and exits with
// the status that run returns. A second signal ends the process at once.
func Main(run func(ctx context.Context, args []string, stdout, stderr io.Writer) (status int)) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop()
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Logger returns what logs to w, refused handshakes too if it is to be verbose.
func Logger(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// Until serves until ctx is done, and then closes the connections, for which it waits as
// long as drain. What is in before comes first: as a hub's Shutdown, which closes
// subscribers when they have got what was published. The error is that of the server, if
// that fails before ctx is done.
func Until(ctx context.Context, s *wsproto.Server, drain time.Duration, stdout io.Writer, log *slog.Logger, before ...func(context.Context) error) error {
	failed := make(chan error, 1)
	go func() { failed <- s.Wait() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	fmt.Fprintln(stdout, "Closing", s.Stats().Open, "connections ...")
	ctx, cancel := context.WithTimeout(context.Background(), max(drain, time.Millisecond))
	defer cancel()
	for _, f := range before {
		if err := f(ctx); err != nil {
			log.Warn("not all that was accepted has been delivered", "error", err)
		}
	}
	if err := s.Shutdown(ctx); err != nil {
		log.Warn("some clients did not say goodbye in time and were cut off", "error", err)
	}
	return nil
}
