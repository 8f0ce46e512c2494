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

// Main calls run with a context that ends at the first SIGINT or SIGTERM, and exits with the status that run returns. A
// second signal kills the process.
func Main(run func(ctx context.Context, args []string, stdout, stderr io.Writer) (status int)) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop()
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Logger returns a logger to w. If verbose is set it also logs debug messages, such as refused handshakes.
func Logger(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// Until serves until ctx is done. Then it calls the functions in before, such as a hub's Shutdown, which closes
// subscribers once they have received what was published, and shuts the server down. All of that takes at most drain.
// Until returns the server's error if the server fails before ctx is done.
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
			log.Warn("some accepted messages were not delivered before the drain time was over", "error", err)
		}
	}
	if err := s.Shutdown(ctx); err != nil {
		log.Warn("some clients did not complete the closing handshake in time; their connections were cut", "error", err)
	}
	return nil
}
