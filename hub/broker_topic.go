package hub

import "sync"

// remote is what a topic of a hub with a broker has beside.
type remote struct {
	once sync.Once // joins

	// Guarded by Topic.mu.
	begun    bool   // it was tried to join
	err      error  // if that failed
	filled   bool   // the log has got all that the broker holds, and the topic keeps
	fetch    *fetch // what is under way
	reserved uint64 // numbers that were left out of the log

	waiting []func(error) // to be called when begun, in their order
	calling bool          // a goroutine does, or is about to
}

const (
	// reservedSeqs and reservedCost are left before the first message of a log, for what is
	// older, and comes later.
	reservedSeqs = 1 << 32
	reservedCost = 1 << 50
)

// reserveLocked leaves room before the next message.
func (t *Topic) reserveLocked() {
	t.remote.reserved += reservedSeqs
	t.log.next += reservedSeqs
	t.log.end += reservedCost
}

// publishedLocked returns the number of messages since the topic exists.
func (t *Topic) publishedLocked() uint64 {
	n := t.log.next - 1
	if t.remote != nil {
		n -= t.remote.reserved
	}
	return n
}

// beginLocked has the topic begin at a position. Of what has been delivered already,
// what is before that may be from the last time that the topic was joined: then there
// are gaps.
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

// deliver appends a message of the broker, unless the topic has it already.
func (t *Topic) deliver(r *Record, epoch uint64) {
	t.mu.Lock()
	if t.epoch == 0 { // it is being joined
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

// restart has the topic begin anew at a position, since what is before it is not to be
// had, and closes its subscribers, so that they see to what they missed: they come back with
// the position that they have got to.
func (t *Topic) restart(at Position) {
	var all []*leave
	how := &closeAction{CloseReason{Cause: MessagesLost, Text: "messages were lost between servers: come back"}}
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
	t.reportLocked()
	idle := t.idleLocked()
	t.mu.Unlock()
	if idle {
		t.hub.drop(t)
	}
	for _, l := range all {
		l.proceed()
	}
}
