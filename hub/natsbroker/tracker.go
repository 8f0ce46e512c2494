package natsbroker

// trackedTopics is how many topics that only patterns match are tracked at least.
const trackedTopics = 16 << 10

// joined is a topic or pattern that has been joined.
type joined struct {
	// last is the sequence number of the last message that was delivered. Everything up to it has
	// been delivered, or is before the position that Join has returned, which exists if begun.
	last  uint64
	begun bool
	left  bool // Leave has been called, or Join has failed
	// unstored says that JoinUnstored has joined it. Of the stored messages, which nodes with other
	// rules publish, it gets those from some message on, so nothing is missing before the first one.
	unstored bool
	// The stream had no message after silentFrom, up to silent.
	silentFrom, silent uint64
}

// tracker knows the last message of topics that only patterns match: of the last ones that had a
// message, at least trackedTopics.
type tracker struct {
	young, old       map[string]uint64
	youngTop, oldTop uint64 // the highest sequence number in each
	floor            uint64 // what is not known is not after this one
}

// set says that the last message of a topic is at seq.
func (t *tracker) set(topic string, seq uint64) {
	if t.young == nil || len(t.young) >= trackedTopics {
		t.floor = max(t.floor, t.oldTop)
		t.old, t.oldTop = t.young, t.youngTop
		t.young, t.youngTop = make(map[string]uint64), 0
	}
	t.young[topic] = seq
	t.youngTop = max(t.youngTop, seq)
}

// last returns up to where nothing of the topic is missing.
func (t *tracker) last(topic string) uint64 {
	return max(t.young[topic], t.old[topic], t.floor)
}

// begin says that nothing is missing up to seq: what was missed before that the hub fetches, or
// there was no pattern.
func (t *tracker) begin(seq uint64) {
	t.floor = max(t.floor, seq)
}

// reset forgets everything, since the sequence begins anew.
func (t *tracker) reset() { *t = tracker{} }

// verdict says what to do with a message.
type verdict uint8

const (
	fresh verdict = iota // deliver it
	known                // it has been delivered, or the hub has fetched it
	gap                  // messages are missing before it
)

// judgeLocked decides what to do with a copy of a message to a topic.
func (b *Broker) judgeLocked(topic string, s *stored) verdict {
	if s.seq <= b.base {
		return known
	}
	if j := b.topics[topic]; j != nil {
		if j.unstored && j.last <= b.base {
			return b.judgeFirst(s)
		}
		return b.judgeAfter(max(j.last, b.base), !j.begun, s)
	}
	if len(b.patterns) == 0 { // it was on its way when the topic was left
		return known
	}
	return b.judgeAfter(max(b.tracker.last(topic), b.base), b.beginning > 0, s)
}

// judgeFirst judges the first stored message of a topic that JoinUnstored has joined.
func (b *Broker) judgeFirst(s *stored) verdict {
	if s.seq < b.top {
		return known
	}
	return fresh
}

// judgeAfter judges a message of a topic of which nothing is missing up to last. If the topic, or a
// pattern, is being joined, messages before this one may be missing: those that came between an
// earlier Leave and the position that Join will return.
func (b *Broker) judgeAfter(last uint64, joining bool, s *stored) verdict {
	switch {
	case s.seq <= last, joining && s.seq < b.top:
		return known
	case !joining && s.before > last, s.seq < b.top:
		return gap
	}
	return fresh
}

// deliveredLocked notes that a message is on its way to the hub.
func (b *Broker) deliveredLocked(topic string, seq uint64) {
	b.top = max(b.top, seq)
	if j := b.topics[topic]; j != nil {
		j.last = seq
	}
	if len(b.patterns) > 0 {
		b.tracker.set(topic, seq)
	}
}
