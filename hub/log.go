package hub

import (
	"slices"
	"weak"
)

// log is what a topic holds of its messages, in their order: what is on its way to
// the shards, what slow subscribers have not taken, and history. All of them are
// positions in it, so it holds each message once. Guarded by Topic.mu.
//
// A message has a number, by which positions are kept, and an offset, by which the
// world knows it. Numbers count from 1 without a gap; but those that were superseded
// are missing in the log.
type log struct {
	segs  segments
	next  uint64            // number of the next message
	end   uint64            // cost of all before next, since the topic exists
	last  uint64            // offset of the last message
	lost  uint64            // offset of the last that is no longer held, but was not superseded
	count int               // messages held
	cost  uint64            // of those
	keys  map[string]uint64 // numbers of the latest; only of topics that conflate
	holes int               // superseded, since the last compaction
	run   *batch            // the last that a walk has read
	cold  uint64            // messages below this number have no encoded forms
	kept  uint64            // cost of what it holds no more, but subscriptions keep
}

type entry struct {
	r      *Record // nil if superseded
	seq    uint64
	offset uint64
	end    uint64 // as log.end, with this one
}

const (
	// entryCost is what a message counts for beside its length: what holds it weighs so
	// much.
	entryCost = 224
	// maxReads is how many segments in a row keep what was read of them.
	maxReads = 8
	// maxSegment is the cost of a segment from which on the next begins.
	maxSegment = 24 << 10
	// maxBatch is the cost from which on a walk leaves the rest to the next.
	maxBatch = 192 << 10
	// maxHoles is how many more superseded messages than others a log has at most.
	maxHoles = 64
)

// append takes r as the next message. offset is that of r in this log, which for a
// pattern's is not r.Offset.
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

// put adds an entry to the last segment, or begins the next with it.
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

// supersede takes the latest message for key out, if there is one.
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

// compact takes out what was superseded, so that a message that stays the latest for
// long does not have the log grow behind it.
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

// forget takes note that e is held no more.
func (l *log) forget(e *entry) {
	if e.r != nil {
		l.count--
		l.cost -= e.r.cost()
		if l.keys != nil && l.keys[e.r.Key] == e.seq {
			delete(l.keys, e.r.Key)
		}
	}
}

// numberAt returns the number of the entry at a place that search returned.
func (l *log) seqAt(seg, i int) uint64 {
	if seg == len(l.segs) {
		return l.next
	}
	return l.segs[seg].entries[i].seq
}

// oldest returns the lowest number that is held; next if nothing is.
func (l *log) oldest() uint64 { return l.seqAt(0, 0) }

// youngest returns the lowest number from which on no more messages and bytes are
// held.
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

// endBefore returns the cost of all messages with numbers below number.
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

// before returns the offset after which the messages from number on begin.
func (l *log) before(seq uint64) uint64 {
	if seg, i := l.segs.find(seq); seg < len(l.segs) {
		return l.segs[seg].entries[i].offset - 1
	}
	return l.last
}

// trim forgets what is below floor.
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
			if gone[j].r != nil { // what was superseded nobody misses
				l.lost = gone[j].offset
			}
			l.forget(&gone[j])
		}
	}
	l.segs[len(l.segs)-1].snap = weak.Pointer[kept]{} // it has what is forgotten
	l.leave(l.segs[:seg])
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

// readOn returns what is held from number on, up to about maxBatch, nil if there is
// nothing. Shards of the same topic share it.
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

// releaseForms has what is below number, and nobody waits for, keep no encoded forms.
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

// forgetBatches frees what history weighs more when it has been played back.
func (l *log) forgetBatches() {
	for _, s := range l.segs {
		s.read = nil
	}
}

// begin sets the offsets of the last message, and of the last that is no longer held.
func (l *log) begin(last, lost uint64) { l.last, l.lost = last, lost }

// clear forgets everything.
func (l *log) clear() {
	l.leave(l.segs)
	l.segs, l.count, l.cost, l.holes, l.run = nil, 0, 0, 0, nil
	clear(l.keys)
}

// skip takes note that there is no further message up to an offset.
func (l *log) skip(offset uint64) { l.last = max(l.last, offset) }

// prepend puts older messages before all others: they are all that there are after an
// offset.
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

// latest returns those that are not superseded, if the topic conflates.
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
