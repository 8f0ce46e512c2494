//go:build linux

package netpoll

// WhenDrained calls s.Schedule once, as soon as no output is pending any more
// (see Pending): at once if that is so now, else at the end of the turn that has sent
// the last byte. Writes that wait behind an [Exclusive] are pending, too. So a caller whose
// write was Queued or Full, and that calls WhenDrained afterwards, is always told. On a
// connection that is closed, sealed by WriteLast, or detached, s.Schedule is called at once.
//
// There is one s at a time: another call replaces it, and nil removes it; a Scheduler that
// was replaced is not called. The connection refers to s until it calls it.
func (c *Conn) WhenDrained(s Scheduler) {
	c.mu.Lock()
	waits := s != nil && c.backlogLocked()
	if waits {
		c.coldLocked().drained = s
	} else if c.cold != nil {
		c.cold.drained = nil
		c.tidyLocked()
	}
	c.mu.Unlock()
	if !waits && s != nil {
		s.Schedule()
	}
}

// drainedLocked calls the Scheduler of WhenDrained, if that is due. It is called where
// the last pending byte may have left: at the end of a turn, which flushes, by the
// monitor if the turn blocks, and by Release. It is also called where the connection's phase
// or access changes so that nothing more can be written.
func (c *Conn) drainedLocked() {
	if r := c.cold; r != nil && r.drained != nil {
		c.tellDrainedLocked(r)
	}
}

func (c *Conn) tellDrainedLocked(r *cold) {
	if c.backlogLocked() {
		return
	}
	s := r.drained
	r.drained = nil
	c.tidyLocked()
	s.Schedule()
}

// backlogLocked reports whether a caller should wait: output is pending,
// and after it more can be written.
func (c *Conn) backlogLocked() bool {
	return c.phase == live && c.access != accessSealed && c.pendingLocked() > 0
}
