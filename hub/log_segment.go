package hub

import (
	"slices"
	"sort"
	"weak"
)

type segments []*segment

// A segment is a part of the log. A slow subscriber reads at most one segment at a time. After
// the end of its first segment it reads the same pieces as all other slow subscribers, so they
// share them. For that a segment is small, compared with what a fan-out pass reads.
type segment struct {
	entries []entry
	cost    uint64
	read    *batch   // the batch that was last read from it
	cut     *segment // the head that was last cut from it
	hold    *hold    // nil if no subscription ever kept it
	// snap is the last snapshot of the log, if this is the log's last segment. The weak pointer
	// does not keep it in memory.
	snap weak.Pointer[kept]
}

// kept is a part of a log that subscriptions keep, no matter what the log drops. If several
// subscriptions keep a message, in the same part or in different ones, it counts once, and only
// when the log has dropped it: see log.keep.
type kept struct {
	segments
	until uint64 // sequence number of the first message after it
	first uint64 // the lowest sequence number that the log held when this was taken
	from  uint64 // it has all messages held from this sequence number on
}

// hold counts the subscriptions that keep a segment. The parts of a segment share it.
type hold struct {
	by   int    // subscriptions
	cost uint64 // the part of log.kept; 0 as long as the log holds the segment itself
}

// maxReads is how many consecutive segments keep the batch that was read from them.
const maxReads = 8

// find returns the place of the first entry whose sequence number is at least seq; len(ss) if
// there is none.
func (ss segments) find(seq uint64) (seg, i int) {
	return ss.search(func(e *entry) bool { return e.seq >= seq })
}

// search returns the place of the first entry for which reached is true. reached must be false
// for all entries before it, and true for all after it.
func (ss segments) search(reached func(*entry) bool) (seg, i int) {
	seg = sort.Search(len(ss), func(i int) bool {
		all := ss[i].entries
		return reached(&all[len(all)-1])
	})
	if seg == len(ss) {
		return seg, 0
	}
	all := ss[seg].entries
	return seg, sort.Search(len(all), func(i int) bool { return reached(&all[i]) })
}

// read returns the messages held from seq on, up to the end of their segment; nil if there are
// none.
func (ss segments) read(seq uint64) *batch {
	seg, i := ss.find(seq)
	if seg == len(ss) {
		return nil
	}
	s := ss[seg]
	if all := s.entries[i:]; !s.read.is(all, all) {
		s.read = newBatch(all)
		if seg >= maxReads { // so that a replay does not double the memory of the history
			ss[seg-maxReads].read = nil
		}
	}
	return s.read
}

// between returns the segments from that of sequence number from on, without the messages from
// sequence number to on. The segments do not change, and all callers that ask for the same part
// share them.
func (ss segments) between(from, to uint64) segments {
	first, _ := ss.find(from)
	last, i := ss.find(to)
	all := slices.Clone(ss[first:last])
	if i > 0 {
		all = append(all, ss[last].head(i))
	}
	return all
}

// from returns the segment without its first n entries. Subscriptions may read s, so it does not
// change. The result shares the memory of s until half of it is unused; then it gets a copy.
func (s *segment) from(n int) *segment {
	rest := s.entries[n:]
	if n >= len(rest) {
		rest = append([]entry(nil), rest...)
	}
	return &segment{entries: rest, cost: s.cost, hold: s.hold}
}

// head returns the segment's first n entries. They must not be superseded later.
func (s *segment) head(n int) *segment {
	if s.hold == nil {
		s.hold = new(hold)
	}
	if s.cut == nil || len(s.cut.entries) != n {
		s.cut = &segment{entries: s.entries[:n:n]}
	}
	s.cut.hold = s.hold
	return s.cut
}
