package hub

// newTopic makes a topic. Called under Hub.mu.
func newTopic(h *Hub, name string, o *TopicOptions) *Topic {
	t := &Topic{hub: h, name: name, pattern: IsPattern(name), opts: o, epoch: h.newEpoch(), log: log{next: 1}}
	if h.node != nil {
		t.remote, t.epoch = new(remote), 0
		t.reserveLocked()
	}
	if t.opts.Slow == Conflate {
		t.log.keys = make(map[string]uint64)
	}
	if t.opts.Presence && !t.pattern && !IsUserTopic(name) {
		t.presence = newPresence(t)
	}
	return t
}

// outcome is the result of an attempt to publish.
type outcome uint8

const (
	appended        outcome = iota
	appendedIdle            // the topic can be forgotten
	patternsChanged         // not published
	topicEnded              // not published: the hub has forgotten the topic
)

// publish gives m its position and schedules its delivery. patternsAt is the value of
// Hub.patternsAt.
func (t *Topic) publish(m Message, patternsAt uint64) (rc Receipt, o outcome) {
	var full []*shard
	t.mu.Lock()
	if t.ended || t.matchingAt != patternsAt {
		defer t.mu.Unlock()
		if t.ended {
			return rc, topicEnded
		}
		return rc, patternsChanged
	}
	r := &Record{Message: m, Topic: t.name, Offset: t.log.next, at: t.hub.opts.Now().UnixMilli()}
	full = t.appendLocked(r, r.Offset, full)
	rc = Receipt{Position{t.epoch, r.Offset}, t.count}
	for _, p := range t.matching {
		p.mu.Lock()
		full = p.appendLocked(r, p.log.next, full)
		rc.Receivers += p.count
		p.mu.Unlock()
	}
	if t.idleLocked() {
		o = appendedIdle
	}
	t.mu.Unlock()
	for _, sh := range full {
		sh.help()
	}
	return rc, o
}

// appendLocked appends r to the log with its offset there, and schedules its delivery. Shards
// that have too much pending are added to full.
func (t *Topic) appendLocked(r *Record, offset uint64, full []*shard) []*shard {
	t.log.append(r, offset)
	rounds := false
	for _, sh := range t.shards {
		if sh.members == 0 {
			sh.skipLocked()
			continue
		}
		rounds = true
		sh.task.Schedule()
		if t.log.end-sh.at > maxPending {
			full = append(full, sh)
		}
	}
	t.trimLocked()
	if !rounds {
		t.reportLocked()
	}
	return full
}

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

// positionLocked returns the position after the last message.
func (t *Topic) positionLocked() Position { return Position{t.epoch, t.log.last} }

// idleLocked reports whether the topic can be removed.
func (t *Topic) idleLocked() bool {
	return t.count == 0 && (t.log.count == 0 || t.retired) && !t.presenceTopic && (t.remote == nil || t.remote.begun)
}

// shardLocked returns the shard for a loop.
func (t *Topic) shardLocked(loop int) *shard {
	loop %= t.hub.loops
	for _, sh := range t.shards {
		if sh.loop == loop {
			return sh
		}
	}
	sh := newShard(t, loop)
	t.shards = append(t.shards, sh)
	return sh
}

// close ends the subscriptions of subscribers for which is returns true, and returns their
// number.
func (t *Topic) close(is func(Subscriber) bool, how *closeAction) (closed int) {
	for _, s := range t.subscribers() {
		if is(s.to) {
			s.end(how)
			closed++
		}
	}
	return closed
}

// subscribers returns the subscriptions that have not left.
func (t *Topic) subscribers() (all []*Subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all = make([]*Subscription, 0, t.count)
	for _, sh := range t.shards {
		all = sh.appendAll(all)
	}
	return all
}

// sweep drops messages that are too old, and reports whether the topic can be removed too.
func (t *Topic) sweep() (idle bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trimLocked()
	if t.laggards == 0 {
		t.log.forgetBatches()
	}
	t.reportLocked()
	return t.idleLocked()
}

// history returns messages that the topic holds: after a position, or the last ones. It fails
// with a *TooOldError if not all after the position are held.
func (t *Topic) history(o Start, limit int) (all []*Record, at Position, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trimLocked()
	at = t.positionLocked()
	seq, err := t.startLocked(o)
	if err != nil {
		return nil, at, err
	}
	for seg, i := t.log.segs.find(seq); seg < len(t.log.segs) && len(all) < limit; seg, i = seg+1, 0 {
		for _, e := range t.log.segs[seg].entries[i:] {
			if e.r != nil && len(all) < limit {
				all = append(all, e.r)
			}
		}
	}
	return all, at, nil
}
