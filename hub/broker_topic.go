package hub

import "sync"

// remote is the additional state of a topic whose hub has a broker.
type remote struct {
	once sync.Once // runs brokerNode.join

	// Guarded by Topic.mu.
	begun    bool   // joining has succeeded or failed
	err      error  // why joining failed
	filled   bool   // the log has all messages that the broker holds and the topic keeps
	fetch    *fetch // the fetch under way
	reserved uint64 // sequence numbers that the log has reserved

	waiting []func(error) // to be called in this order once begun is true
	calling bool          // a goroutine calls them, or is about to
}

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

// deliver appends a message from the broker, unless the topic has it already.
func (t *Topic) deliver(r *Record, epoch uint64) {
	t.mu.Lock()
	if t.epoch == 0 { // joining is under way
		t.epoch = epoch
	}
	if t.ended || t.epoch != epoch || r.Offset <= t.log.last {
		t.mu.Unlock()
		return
	}
	full := t.appendLocked(r, r.Offset, nil)
	t.mu.Unlock()
	for _, sh := range full {
		sh.help()
	}
}

// restart lets the topic begin anew at a position, because the messages before it are not
// available. It closes the topic's subscribers, so that they find out what they missed: they
// reconnect and resume at the position that they have reached.
func (t *Topic) restart(at Position) {
	var all []*leave
	how := &closeAction{CloseReason{Cause: MessagesLost, Text: "messages were lost between servers: reconnect and resume"}}
	t.mu.Lock()
	for _, sh := range t.shards {
		for _, s := range sh.appendAll(nil) {
			if l := (&leave{sub: s, how: how, cut: true}); t.leaveLocked(l) {
				all = append(all, l)
			}
		}
	}
	t.epoch, t.remote.filled, t.remote.fetch = at.Epoch, false, nil
	t.log.clear()
	t.reserveLocked()
	t.log.begin(at.Offset, at.Offset)
	for _, sh := range t.shards {
		sh.skipLocked()
	}
	t.unlockAndDrop()
	for _, l := range all {
		l.proceed()
	}
}
