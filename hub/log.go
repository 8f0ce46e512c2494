package hub

import (
	"slices"
	"weak"
)

// log holds a topic's messages in order: those on their way to the shards, those that slow
// subscribers have not taken yet, and history. Each of these is a position in the log, so the
// log holds each message once. Guarded by Topic.mu.
//
// A message has a sequence number, which positions inside the hub use, and an offset, which
// clients and the broker use. Sequence numbers count from 1 without a gap, but superseded
// messages are missing in the log.
type log struct {
	segs  segments
	next  uint64            // sequence number of the next message
	end   uint64            // cost of all messages before next, since the topic began
	last  uint64            // offset of the last message
	lost  uint64            // offset of the last message that is no longer held and was not superseded
	count int               // messages held
	cost  uint64            // cost of the messages held
	keys  map[string]uint64 // sequence numbers of the latest messages by key; only in topics that conflate
	holes int               // messages superseded since the last compaction
	run   *batch            // the batch that a pass has read last
	cold  uint64            // messages below this sequence number have no encoded forms
	kept  uint64            // cost of messages that the log has dropped and subscriptions keep
}

const (
	// maxSegment is the cost at which a segment is complete, and the next one begins.
	maxSegment = 24 << 10
	// maxBatch is the cost at which a pass leaves further messages to the next pass.
	maxBatch = 192 << 10
	// maxHoles is how many more superseded messages than held ones a log may have.
	maxHoles = 64
)

// append appends r as the next message. offset is the offset of r in this log, which differs
// from r.Offset in the log of a pattern.
func (l *log) append(r *Record, offset uint64) {
	if l.keys != nil && r.Key != "" {
		l.supersede(r.Key)
		l.keys[r.Key] = l.next
	}
	cost := r.cost()
	l.end += cost
	l.put(entry{r, l.next, offset, l.end})
	l.cost += cost
	l.count++
	l.next++
	l.last = offset
}

// put adds an entry to the last segment, or begins the next segment with it.
func (l *log) put(e entry) {
	n := len(l.segs)
	if n > 0 {
		l.segs[n-1].snap = weak.Pointer[kept]{}
	}
	if n == 0 || l.segs[n-1].cost >= maxSegment {
		l.segs = append(l.segs, new(segment))
		n++
	}
	s := l.segs[n-1]
	s.entries = append(s.entries, e)
	s.cost += e.r.cost()
}

// supersede removes the latest message with the key, if there is one.
func (l *log) supersede(key string) {
	seq, ok := l.keys[key]
	if !ok {
		return
	}
	if i, j := l.segs.find(seq); i < len(l.segs) && l.segs[i].entries[j].seq == seq {
		s := l.segs[i]
		l.forget(&s.entries[j])
		s.entries[j].r = nil
		s.read, l.run = nil, nil
		if l.holes++; l.holes > l.count+maxHoles {
			l.compact()
		}
	}
}

// compact removes the entries of superseded messages, so that the log does not grow while a
// message at its beginning stays the latest with its key.
func (l *log) compact() {
	old := l.segs
	l.segs, l.holes = nil, 0
	for _, s := range old {
		for _, e := range s.entries {
			if e.r != nil {
				l.put(e)
			}
		}
	}
}

// forget records that e is no longer held.
func (l *log) forget(e *entry) {
	if e.r != nil {
		l.count--
		l.cost -= e.r.cost()
		if l.keys != nil && l.keys[e.r.Key] == e.seq {
			delete(l.keys, e.r.Key)
		}
	}
}

// seqAt returns the sequence number of the entry at a place that search returned.
func (l *log) seqAt(seg, i int) uint64 {
	if seg == len(l.segs) {
		return l.next
	}
	return l.segs[seg].entries[i].seq
}

// oldest returns the lowest sequence number that is held; next if the log is empty.
func (l *log) oldest() uint64 { return l.seqAt(0, 0) }

// youngest returns the lowest sequence number from which on the log holds at most the given
// messages and bytes.
func (l *log) youngest(messages, bytes uint64) uint64 {
	count, cost := uint64(l.count), l.cost
	for _, s := range l.segs {
		for _, e := range s.entries {
			if e.r == nil {
				continue
			}
			if count <= messages && cost <= bytes {
				return e.seq
			}
			count--
			cost -= e.r.cost()
		}
	}
	return l.next
}

// endBefore returns the cost of all messages with sequence numbers below seq, since the topic
// began.
func (l *log) endBefore(seq uint64) uint64 {
	if seg, i := l.segs.find(seq); seg < len(l.segs) {
		e := &l.segs[seg].entries[i]
		if e.r == nil {
			return e.end
		}
		return e.end - e.r.cost()
	}
	return l.end
}

// before returns the offset after which the messages from seq on begin.
func (l *log) before(seq uint64) uint64 {
	if seg, i := l.segs.find(seq); seg < len(l.segs) {
		return l.segs[seg].entries[i].offset - 1
	}
	return l.last
}

// trim drops the messages below the sequence number floor.
func (l *log) trim(floor uint64) {
	if len(l.segs) == 0 || l.oldest() >= floor {
		return
	}
	seg, i := l.segs.find(floor)
	for k, s := range l.segs[:min(seg+1, len(l.segs))] {
		gone := s.entries
		if k == seg {
			gone = gone[:i]
		}
		for j := range gone {
			if gone[j].r != nil { // a superseded message does not count as lost
				l.lost = gone[j].offset
			}
			l.forget(&gone[j])
		}
	}
	l.segs[len(l.segs)-1].snap = weak.Pointer[kept]{} // it has messages that are dropped now
	l.detach(l.segs[:seg])
	rest := copy(l.segs, l.segs[seg:])
	clear(l.segs[rest:])
	if l.segs = l.segs[:rest]; rest == 0 {
		l.segs, l.run = nil, nil
		return
	}
	if i > 0 {
		l.segs[0] = l.segs[0].from(i)
	}
}

// detach records that the log no longer holds these segments.
func (l *log) detach(gone segments) {
	for _, s := range gone {
		if s.hold != nil && s.hold.by > 0 {
			l.charge(s.hold, s.cost)
		}
	}
}

// charge adds a segment's cost to log.kept, once.
func (l *log) charge(h *hold, cost uint64) {
	if h.cost == 0 {
		h.cost = cost
		l.kept += cost
	}
}

// readOn returns the messages held from seq on, up to a cost of about maxBatch; nil if there are
// none. The shards of a topic share the batch.
func (l *log) readOn(seq uint64) *batch {
	seg, i := l.segs.find(seq)
	if seg == len(l.segs) {
		return nil
	}
	runs := make([][]entry, 0, maxBatch/maxSegment+1)
	runs = append(runs, l.segs[seg].entries[i:])
	cost := l.segs[seg].cost
	for _, s := range l.segs[seg+1:] {
		if cost >= maxBatch {
			break
		}
		runs = append(runs, s.entries)
		cost += s.cost
	}
	if !l.run.is(runs[0], runs[len(runs)-1]) {
		l.run = newBatch(runs...)
	}
	return l.run
}

// releaseForms drops the encoded forms of the messages below seq, which no subscriber waits for.
func (l *log) releaseForms(seq uint64) {
	if l.cold >= seq || len(l.segs) == 0 {
		return
	}
	for seg, i := l.segs.find(l.cold); seg < len(l.segs); seg, i = seg+1, 0 {
		for _, e := range l.segs[seg].entries[i:] {
			if e.seq >= seq {
				l.cold = seq
				return
			}
			if e.r != nil {
				e.r.releaseForms()
			}
		}
	}
	l.cold = seq
}

// forgetBatches frees the batches that a replay of history has left.
func (l *log) forgetBatches() {
	for _, s := range l.segs {
		s.read = nil
	}
}

// begin sets the offsets of the last message, and of the last message that is no longer held.
func (l *log) begin(last, lost uint64) { l.last, l.lost = last, lost }

// clear drops all messages.
func (l *log) clear() {
	l.detach(l.segs)
	l.segs, l.count, l.cost, l.holes, l.run = nil, 0, 0, 0, nil
	clear(l.keys)
}

// skip records that there are no further messages up to an offset.
func (l *log) skip(offset uint64) { l.last = max(l.last, offset) }

// prepend inserts older messages before all others. After it the log has all messages after the
// offset from.
func (l *log) prepend(records []*Record, from uint64) {
	records = l.latest(records)
	rest, count, cost := l.segs, l.count, l.cost
	if n := len(rest); n > 0 {
		rest[n-1].snap = weak.Pointer[kept]{}
	}
	seq, end := l.oldest(), l.endBefore(l.oldest())
	for _, r := range records {
		seq--
		end -= r.cost()
	}
	l.segs, l.lost = nil, min(from, l.lost)
	for _, r := range records {
		end += r.cost()
		l.put(entry{r, seq, r.Offset, end})
		if l.keys != nil && r.Key != "" {
			l.keys[r.Key] = seq
		}
		count++
		cost += r.cost()
		seq++
	}
	l.segs, l.count, l.cost = append(l.segs, rest...), count, cost
}

// latest returns the records that are not superseded, if the topic conflates; else all.
func (l *log) latest(records []*Record) []*Record {
	if l.keys == nil {
		return records
	}
	seen := make(map[string]bool)
	var all []*Record
	for _, r := range slices.Backward(records) {
		if _, newer := l.keys[r.Key]; r.Key != "" && (newer || seen[r.Key]) {
			continue
		}
		seen[r.Key] = true
		all = append(all, r)
	}
	slices.Reverse(all)
	return all
}
