package hub

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
	m.ID = "" // nobody needs it any more
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
