package hub

import (
	"context"
	"errors"
	"fmt"
)

// ErrClosed is what Subscribe returns after Shutdown.
var ErrClosed = errors.New("hub: it has shut down")

// Shutdown closes all subscribers, with the cause ShuttingDown, each when it has got what was
// published before, and waits for that, and for those who are slow until ctx is done or
// Options.EndTimeout is over. From its beginning nobody can subscribe, so what is published
// reaches nobody, and receipts say so. It comes before the shutdown of the server, which
// closes connections at once. With a [Broker] that is a [Syncer] it waits for what is on its
// way first.
func (h *Hub) Shutdown(ctx context.Context) error {
	h.closed.Store(true)
	h.node.sync()
	how := &closeAction{CloseReason{Cause: ShuttingDown, Text: "the server shuts down"}}
	for _, t := range h.all() {
		for _, s := range t.subscribers() { // who subscribes later sees that the hub is closed
			if m, ok := s.to.(*Member); ok {
				m.endAll(how)
			} else {
				s.leave(how, false)
			}
		}
	}
	select {
	case <-h.leaving.wait():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("hub: some subscribers did not take what was published: %w", ctx.Err())
	}
}
