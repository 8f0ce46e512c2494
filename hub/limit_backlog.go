package hub

// exceedsBacklog records that s, which is behind, has yet to get what its topic has published up
// to end. It reports whether the connection's backlogs of all topics together are too large. It
// is called within a pass.
func (sh *shard) exceedsBacklog(s *Subscription, end uint64) (tooMuch bool) {
	l := s.lag
	bytes := max(0, int64(end-l.backlog.at))
	m, ok := s.to.(*Member)
	if !ok {
		return false // this topic only, which has its own limit
	}
	more := bytes - l.backlog.bytes
	l.backlog.bytes = bytes
	return m.draining().backlog.Add(more) > max(sh.topic.hub.opts.MaxBacklog, int64(sh.topic.opts.Limit.Bytes))
}

// reduceBacklog records that s has moved to another place in the log, before which log.end was
// at.
func (s *Subscription) reduceBacklog(at uint64) {
	l := s.lag
	less := min(l.backlog.bytes, max(0, int64(at-l.backlog.at)))
	l.backlog.at = at
	l.backlog.bytes -= less
	if m, ok := s.to.(*Member); ok && less > 0 {
		m.draining().backlog.Add(-less)
	}
}

// clearBacklog records that s has no backlog any more.
func (s *Subscription) clearBacklog() {
	if l := s.lag; l != nil {
		s.reduceBacklog(l.backlog.at + uint64(l.backlog.bytes))
	}
}
