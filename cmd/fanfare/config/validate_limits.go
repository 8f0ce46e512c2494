package config

import "github.com/fanfare-ws/fanfare/hub/client"

// BatchBodies is how many times MaxMessage the body of a batch of messages may have.
const BatchBodies = 8

// turnBytes is how much the engine reads from a connection, and so may have to echo, before it checks again that the
// connection has room for output.
const turnBytes = 128 << 10

// minIdempotencyWindow is how long the clients of fanfare.v1 send a message again.
const minIdempotencyWindow = client.RetryFor

// validateLimits reports limits that contradict each other.
func (l *loader) validateLimits() {
	const message, pending, total, bodies = "limits.max-message", "limits.max-pending", "limits.total-pending", "limits.total-bodies"
	m := &l.config.Limits
	if least := 2 * (min(m.MaxMessage, 1<<40) + turnBytes); m.MaxPending/2-turnBytes < m.MaxMessage && l.good(message, pending) {
		l.refuse(pending, " is %v; with messages of %v (%s) it must be at least %v, because an echo could not be sent otherwise", m.MaxPending, m.MaxMessage, l.nameOf(message, pending), least)
	}
	if w := m.IdempotencyWindow; w < minIdempotencyWindow && l.good("limits.idempotency-window") {
		l.refuse("limits.idempotency-window", " is %v; it must be at least %v, for which clients repeat a message", w, minIdempotencyWindow)
	}
	if m.TotalPending > 0 && m.TotalPending < m.MaxPending && l.good(pending, total) {
		l.refuse(total, " is %v; it must be at least %s, %v", m.TotalPending, l.nameOf(pending, total), m.MaxPending)
	}
	if least := 2 * BatchBodies * min(m.MaxMessage, 1<<40); m.TotalBodies > 0 && m.TotalBodies < least && l.good(message, bodies) {
		l.refuse(bodies, " is %v; it must be at least %v, enough for two batches of %d times %s", m.TotalBodies, least, BatchBodies, l.nameOf(message, bodies))
	}
}
