package hub

// never is a sequence number that no message has.
const never = ^uint64(0)

// leaveLocked ends the lag of s, which is behind: from seq on it gets messages with the others. The caller holds Topic.mu.
func (sh *shard) leaveLocked(s *Subscription, seq uint64) {
	s.lag.behind, s.cursor, s.lag.replay = false, seq, false
	s.continueLocked(seq, s.lag.backlog.at)
	if s.lag.dropped.Load() == 0 {
		s.lag = nil
	}
	sh.mu.Lock()
	sh.notSlowLocked(s)
	sh.mu.Unlock()
	sh.topic.lagsLocked(-1)
}

// caughtUp clears the state of a subscription that is behind. The caller holds Topic.mu.
func (s *Subscription) caughtUp() {
	s.clearBacklog()
	l := s.lag
	if l == nil {
		return
	}
	s.dropKept()
	l.leave, l.behind, l.replay = nil, false, false
	if l.dropped.Load() == 0 {
		s.lag = nil
	}
}

// continueLocked lets s continue at another place of the log, with nothing kept for it.
func (s *Subscription) continueLocked(seq, end uint64) {
	if s.lag.kept != nil {
		s.shard.topic.pinned--
		s.dropKept()
	}
	s.cursor = seq
	s.reduceBacklog(end)
	s.clearBacklog()
}

// keep keeps a part of the log for s. The caller holds Topic.mu.
func (s *Subscription) keep(k *kept) {
	s.lag.kept = k
	s.shard.topic.log.keep(k)
}

// dropKept releases the part of the log that is kept for s. The caller holds Topic.mu.
func (s *Subscription) dropKept() {
	if k := s.lag.kept; k != nil {
		s.lag.kept = nil
		s.shard.topic.log.release(k)
	}
}

// pin keeps for s the messages below a sequence number, up to the topic's limit, no matter what
// the log drops. It does nothing if s has left, and returns false.
func (sh *shard) pin(s *Subscription, below uint64) (ok bool) {
	t := sh.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.gone() {
		return false
	}
	until := min(below, t.fitLocked(s.cursor))
	end := t.log.endBefore(until)
	s.keep(&kept{segments: t.log.segs.between(s.cursor, until), until: until})
	t.pinned++
	sh.exceedsBacklog(s, end)
	return true
}

// dropBacklog drops what s has yet to get. Until s has drained it gets nothing, and messages from
// seq on count as dropped too.
func (sh *shard) dropBacklog(s *Subscription, seq, end uint64) {
	t := sh.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	s.continueLocked(seq, end)
	if !s.gone() { // else t.pinned does not count it
		t.pinned++
		s.lag.kept = &kept{until: seq}
	}
}

// unpinAll drops the pinned backlogs, since all topics together hold too much. Their subscribers
// get nothing until they have drained. It is called within a pass; what was delivered after the
// pinned messages has been counted.
func (sh *shard) unpinAll() {
	var all []*Subscription
	sh.topic.mu.Lock()
	seq, end := sh.cursor, sh.at
	sh.topic.mu.Unlock()
	sh.mu.Lock()
	for _, s := range sh.list {
		if !s.gone() && s.behind() && s.lag.kept != nil && s.cursor < s.lag.kept.until {
			all = append(all, s)
		}
	}
	sh.mu.Unlock()
	for _, s := range all {
		sh.count(s, int(s.lag.kept.until-s.cursor))
		sh.dropBacklog(s, seq, end)
	}
}
