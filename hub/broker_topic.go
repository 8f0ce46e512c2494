package hub

const (
	// reservedSeqs and reservedCost are reserved before the first message of a log, for older
	// messages that arrive later.
	reservedSeqs = 1 << 32
	reservedCost = 1 << 50
)

// reserveLocked reserves sequence numbers and cost before the next message.
func (t *Topic) reserveLocked() {
	t.remote.reserved += reservedSeqs
	t.log.next += reservedSeqs
	t.log.end += reservedCost
}

// publishedLocked returns how many messages the topic has had since it began.
func (t *Topic) publishedLocked() uint64 {
	n := t.log.next - 1
	if t.remote != nil {
		n -= t.remote.reserved
	}
	return n
}

// beginLocked lets the topic begin at a position. It removes messages before that position
// that were delivered already: they may date from an earlier join, and then there are gaps.
func (t *Topic) beginLocked(at Position) {
	l := &t.log
	if t.epoch != at.Epoch {
		l.clear()
		l.begin(0, 0)
		t.epoch = at.Epoch
	}
	l.trim(l.seqAt(l.segs.search(func(e *entry) bool { return e.offset > at.Offset })))
	l.begin(max(l.last, at.Offset), max(l.lost, at.Offset))
}
