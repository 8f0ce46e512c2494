package config

// BatchBodies is how many times MaxMessage the body of a batch of messages may have.
const BatchBodies = 8

// turnBytes is how much the engine reads from a connection, and so may have to echo, before it checks again that the
// connection has room for output.
const turnBytes = 128 << 10

// validateLimits reports limits that contradict each other.
func (l *loader) validateLimits() {
	const message, pending, total, bodies = "limits.max-message", "limits.max-pending", "limits.total-pending", "limits.total-bodies"
	m := &l.config.Limits
	if least := 2 * (min(m.MaxMessage, 1<<40) + turnBytes); m.MaxPending/2-turnBytes < m.MaxMessage && l.good(message, pending) {
		l.refuse(pending, " is %v; with messages of %v (%s) it must be at least %v, because an echo could not be sent otherwise", m.MaxPending, m.MaxMessage, l.nameOf(message, pending), least)
	}
	if m.TotalPending > 0 && m.TotalPending < m.MaxPending && l.good(pending, total) {
		l.refuse(total, " is %v; it must be at least %s, %v", m.TotalPending, l.nameOf(pending, total), m.MaxPending)
	}
	if least := 2 * BatchBodies * min(m.MaxMessage, 1<<40); m.TotalBodies > 0 && m.TotalBodies < least && l.good(message, bodies) {
		l.refuse(bodies, " is %v; it must be at least %v, enough for two batches of %d times %s", m.TotalBodies, least, BatchBodies, l.nameOf(message, bodies))
	}
	l.validateBursts(&m.Rates)
}

// validateBursts reports bursts without a rate, unless they are the defaults: then only the rate was switched off.
func (l *loader) validateBursts(r *Rates) {
	d := &defaults().Limits.Rates
	for _, c := range []struct {
		of          string
		rate, burst int
		byDefault   int
	}{
		{"conn-message", r.ConnMessageRate, r.ConnMessageBurst, d.ConnMessageBurst}, {"conn-byte", int(r.ConnByteRate), int(r.ConnByteBurst), int(d.ConnByteBurst)},
		{"user-message", r.UserMessageRate, r.UserMessageBurst, d.UserMessageBurst}, {"user-byte", int(r.UserByteRate), int(r.UserByteBurst), int(d.UserByteBurst)},
		{"topic-message", r.TopicMessageRate, r.TopicMessageBurst, d.TopicMessageBurst}, {"topic-byte", int(r.TopicByteRate), int(r.TopicByteBurst), int(d.TopicByteBurst)},
	} {
		rate, burst := "limits."+c.of+"-rate", "limits."+c.of+"-burst"
		if c.rate == 0 && c.burst != c.byDefault && l.good(rate, burst) {
			l.refuse(burst, " is given without %s, so it limits nothing", l.nameOf(rate, burst))
		}
	}
}
