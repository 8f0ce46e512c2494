package backend

import "time"

// notes limits the rate of log lines.
type notes struct {
	next    time.Time // when a failure may be logged again
	skipped int       // failures since the last line
}

const noteEvery = 10 * time.Second

// note returns a function that logs a change of the breaker, or a failure if it is time for that. endpoint.mu is held
// for note, and not for the function.
func (n *notes) note(e *endpoint, f *failure, changed bool, now time.Time) (log func()) {
	logger, hook := e.opts.Logger, e.hook.String()
	switch {
	case changed:
		return e.breaker.note(e, f, now)
	case f == nil:
		return func() {}
	case now.Before(n.next):
		n.skipped++
		return func() {}
	}
	skipped := n.skipped
	n.next, n.skipped = now.Add(noteEvery), 0
	args := []any{"hook", hook, "error", f}
	if skipped > 0 {
		args = append(args, "left_out", skipped)
	}
	return func() { logger.Warn("a request to the backend failed", args...) }
}

// note returns a function that logs the change of a breaker.
func (b *breaker) note(e *endpoint, f *failure, now time.Time) (log func()) {
	logger, hook := e.opts.Logger, e.hook.String()
	pause := b.until.Sub(now).Round(time.Millisecond)
	switch {
	case !b.open:
		return func() { logger.Info("the backend answers again", "hook", hook) }
	case b.failedProbes > 0:
		return func() {
			logger.Warn("the backend still fails", "hook", hook, "error", f, "next_probe_in", pause)
		}
	}
	return func() {
		logger.Error("the backend fails; no requests are sent until a probe succeeds", "hook", hook, "error", f, "next_probe_in", pause)
	}
}
