package hub

import "fmt"

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
	s.flags.Or(uint32(id)<<encodingShift | flagBegun)
	if seq < sh.taken || o.Paused {
		s.lag = &lag{behind: true, replay: seq < sh.taken, backlog: backlog{at: t.log.endBefore(seq)}}
		t.lagsLocked(1)
	}
	t.reportLocked()
	sh.add(s)
	sh.members++
	t.count++
	t.countedLocked()
	t.retired = false
	if o.Paused {
		s.flags.Or(flagPaused)
	} else if s.behind() {
		s.Schedule()
	}
	return Position{t.epoch, t.log.before(seq)}, true, nil
}

// encodingOf returns the ID of e, after checking that to can send what e makes.
func (h *Hub) encodingOf(to Subscriber, e Encoding) (encodingID, error) {
	if m, ok := to.(*Member); ok {
		to = m.to
	}
	if c, ok := to.(EncodingChecker); ok && e != nil {
		if err := c.CheckEncoding(e); err != nil {
			return 0, fmt.Errorf("%w: %w", ErrNoEncoding, err)
		}
	}
	return h.encodings.id(e)
}
