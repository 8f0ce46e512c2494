package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// Ending says how a server ends. Only SIGTERM (see ErrTerminated) has the first two phases; otherwise the third one begins
// at once.
type Ending struct {
	// Grace is the first phase: the server is not ready, so that load balancers turn to others, but it still accepts
	// connections.
	Grace time.Duration
	// Window is the second phase: the server accepts no connections, and closes those that are open, each at a random
	// moment of the first seven eighths, so that their clients do not reach the other servers all at once. At its end it
	// cuts the connections of clients that have not answered.
	Window time.Duration
	// Drain is the longest time of the third phase, for delivery and closing handshakes.
	Drain time.Duration
	// Leaving, if not nil, is called when the first phase begins. From then on the server should report that it is not ready.
	Leaving func()
	// Before are called in the third phase before the server closes its connections: for example a hub's Shutdown, which
	// closes subscribers once they have received what was published.
	Before []func(context.Context) error
	// After, if not nil, is called at the end of the third phase, when the connections are closed. Its context ends with the
	// phase. The last quarter of the phase is its own: connections that are open then are cut.
	After func(context.Context)
	// Logged says that programs follow the end: it is in the log, and nothing is printed for people.
	Logged bool
}

// Until serves until ctx is done, and then ends the server. It returns the server's error if the server fails before.
func (e Ending) Until(ctx context.Context, s *wsproto.Server, stdout io.Writer, log *slog.Logger) error {
	failed := make(chan error, 1)
	go func() { failed <- s.Wait() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	if errors.Is(context.Cause(ctx), ErrTerminated) {
		if err := e.leave(s, stdout, log, failed); err != nil {
			return err
		}
	}
	return e.close(s, stdout, log)
}

// leave is the first two phases.
func (e Ending) leave(s *wsproto.Server, stdout io.Writer, log *slog.Logger, failed <-chan error) error {
	if e.Leaving != nil {
		e.Leaving()
	}
	if e.Grace > 0 {
		if e.Logged {
			log.Info("not ready any more; connections are still accepted", "for", e.Grace.String())
		} else {
			fmt.Fprintf(stdout, "Not ready any more; accepting connections for another %v. A second signal ends the server at once.\n", e.Grace)
		}
		select {
		case err := <-failed:
			return err
		case <-time.After(e.Grace):
		}
	}
	if e.Window > 0 {
		e.closing(s, stdout, log, e.Window)
		ctx, cancel := context.WithTimeout(context.Background(), e.Window)
		defer cancel()
		if err := s.Drain(ctx, e.Window/8*7); err != nil {
			log.Warn("some clients did not complete the closing handshake in time; their connections are cut", "error", err)
		}
	}
	return nil
}

// closing says that connections are closed, if there are any.
func (e Ending) closing(s *wsproto.Server, stdout io.Writer, log *slog.Logger, within time.Duration) {
	switch n := s.Stats().Open; {
	case n == 0:
	case e.Logged:
		log.Info("closing connections", "connections", n, "within", within.String())
	default:
		fmt.Fprintf(stdout, "Closing the open connections (%d) within %v ...\n", n, within)
	}
}

// close is the third phase.
func (e Ending) close(s *wsproto.Server, stdout io.Writer, log *slog.Logger) error {
	e.closing(s, stdout, log, e.Drain)
	ctx, cancel := context.WithTimeout(context.Background(), max(e.Drain, time.Millisecond))
	defer cancel()
	clients := ctx
	if e.After != nil {
		var stop context.CancelFunc
		clients, stop = context.WithTimeout(ctx, max(e.Drain/4*3, time.Millisecond))
		defer stop()
	}
	for _, f := range e.Before {
		if err := f(clients); err != nil {
			log.Warn("some accepted messages were not delivered before the drain time was over", "error", err)
		}
	}
	if err := s.Shutdown(clients); err != nil {
		log.Warn("some clients did not complete the closing handshake in time; their connections were cut", "error", err)
	}
	if e.After != nil {
		e.After(ctx)
	}
	return nil
}
