package hub

// trimLocked drops messages from the log that no subscriber waits for and the history does not
// keep.
func (t *Topic) trimLocked() {
	needed := t.neededLocked()
	if needed == t.log.next {
		t.log.run = nil // no pass reads it again
	}
	t.log.trim(min(needed, t.historyLocked()))
	t.log.releaseForms(needed)
}

// neededLocked returns the lowest sequence number that a subscriber still waits for, or may wait
// for.
func (t *Topic) neededLocked() uint64 {
	low := t.log.next
	for _, sh := range t.shards {
		if sh.members > 0 {
			low = min(low, sh.cursor)
		}
	}
	if t.laggards > t.pinned {
		low = t.limitLocked(low)
	}
	return low
}

// limitLocked returns the lowest sequence number at which a subscriber may be when its shard is
// at seq: what follows is within the topic's limit.
func (t *Topic) limitLocked(seq uint64) uint64 {
	return t.boundLocked(seq, uint64(t.opts.Limit.Messages), uint64(t.opts.Limit.Bytes))
}

// boundLocked returns the lowest sequence number from which on there are no more than that many
// messages and bytes before seq.
func (t *Topic) boundLocked(seq, messages, bytes uint64) uint64 {
	l := &t.log
	if t.opts.Slow == Conflate { // of those that are left, not of those that were
		return min(seq, l.youngest(messages, bytes))
	}
	low := seq - min(seq, messages)
	if end := l.endBefore(seq); end > bytes {
		seg, i := l.segs.search(func(e *entry) bool { return e.end-e.r.cost() >= end-bytes })
		low = max(low, min(seq, l.seqAt(seg, i)))
	}
	return low
}

// historyLocked returns the lowest sequence number that the topic's history keeps.
func (t *Topic) historyLocked() uint64 {
	h := &t.opts.History
	if !h.kept() {
		return t.log.next
	}
	low := t.boundLocked(t.log.next, uint64(h.Messages), uint64(h.Bytes))
	limit := t.hub.opts.Now().Add(-h.Age).UnixMilli()
	for _, s := range t.log.segs {
		for i := range s.entries {
			e := &s.entries[i]
			if e.r != nil && e.r.at > limit {
				return max(low, e.seq)
			}
		}
	}
	return t.log.next
}

// fitLocked returns the sequence number up to which the topic's limit lets a subscriber at seq
// lag behind.
func (t *Topic) fitLocked(seq uint64) uint64 {
	l := &t.log
	end := l.endBefore(seq) + uint64(t.opts.Limit.Bytes)
	most := l.seqAt(l.segs.search(func(e *entry) bool { return e.end > end }))
	return min(most, seq+uint64(t.opts.Limit.Messages))
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
