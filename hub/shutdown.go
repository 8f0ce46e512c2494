package hub

import (
	"context"
	"fmt"
)

// Shutdown closes all subscribers, with the cause ShuttingDown, each when it has got what was
// published before. It waits for that, and for slow subscribers until ctx is done or
// Options.EndTimeout is over; its error wraps that of ctx. Subscribe fails from the beginning of
// Shutdown on, so what is published then reaches nobody, and receipts say so. Call it before the
// shutdown of the server, which closes connections at once. With a [Broker] that is a [Syncer],
// Shutdown first waits for messages that are on their way. When
// it returns, Options.OnOccupied has been called for all topics that it has vacated, unless ctx is
// done before.
func (h *Hub) Shutdown(ctx context.Context) error {
	h.closed.Store(true)
	h.node.sync()
	how := &closeAction{CloseReason{Cause: ShuttingDown, Text: "the server is shutting down"}}
	for _, t := range h.all() {
		for _, s := range t.subscribers() { // a later Subscribe sees that the hub is closed
			if m, ok := s.to.(*Member); ok {
				m.endAll(how)
			} else {
				s.leave(how, false)
			}
		}
	}
	defer h.awaitNotices(ctx)
	defer h.roster.flush()
	select {
	case <-h.leaving.wait():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("hub: some subscribers did not take their messages in time: %w", ctx.Err())
	}
}
