package hub

// subscribe adds s to the topic. ok is false if the topic has ended. at is where s begins: after
// the last message that it does not get.
func (t *Topic) subscribe(s *Subscription, to Subscriber, id encodingID, o SubscribeOptions) (at Position, ok bool, err error) {
	loop := to.Loop()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return at, false, nil
	}
	if t.hub.closed.Load() {
		return at, true, ErrClosed
	}
	if err := t.hub.admit(); err != nil {
		return at, true, err
	}
	t.trimLocked()
	seq, err := t.startLocked(o.Start)
	if err == nil {
		err = t.presence.join(to)
	}
	if err != nil {
		t.hub.subscriptions.Add(-1)
		return t.positionLocked(), true, err
	}
	sh := t.shardLocked(loop)
	if sh.members == 0 {
		sh.skipLocked()
	}
	s.to, s.shard, s.cursor = to, sh, seq
	s.flags.Or(uint32(id) << encodingShift)
	if seq < sh.taken || o.Paused {
		s.lag = &lag{behind: true, replay: seq < sh.taken, backlog: backlog{at: t.log.endBefore(seq)}}
		t.laggards++
	}
	t.reportLocked()
	sh.add(s)
	sh.members++
	t.count++
	t.retired = false
	if o.Paused {
		s.flags.Or(flagPaused)
	} else if s.behind() {
		s.Schedule()
	}
	return Position{t.epoch, t.log.before(seq)}, true, nil
}

// startLocked returns the sequence number of the first message that a subscriber gets.
func (t *Topic) startLocked(o Start) (seq uint64, err error) {
	l := &t.log
	switch {
	case o.After != nil:
		p := *o.After
		if p.Epoch != t.epoch || p.Offset < l.lost || p.Offset > l.last {
			return 0, &TooOldError{p, Position{t.epoch, l.lost}, t.positionLocked()}
		}
		return l.seqAt(l.segs.search(func(e *entry) bool { return e.offset > p.Offset })), nil
	case o.Last > 0 && t.opts.History.kept():
		return max(t.historyLocked(), t.boundLocked(l.next, uint64(o.Last), 1<<62)), nil
	}
	return l.next, nil
}
