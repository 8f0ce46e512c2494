package hub

import (
	"slices"
	"sort"
	"weak"
)

type segments []*segment

// A segment is a part of the log: what a slow subscriber reads at a time. When it has
// read one to its end it reads from then on the same pieces as everybody else, so that
// they share them; so a segment is small, beside what a walk reads.
type segment struct {
	entries []entry
	cost    uint64
	read    *batch   // the last that was read of it
	cut     *segment // the last that was cut of it
	hold    *hold    // nil if no subscription ever kept it
	// snap is of the log, of which this is the last segment, as long as somebody needs it.
	snap weak.Pointer[kept]
}

// find returns the place of the first entry whose number is at least number: len(ss)
// if there is none.
func (ss segments) find(seq uint64) (seg, i int) {
	return ss.search(func(e *entry) bool { return e.seq >= seq })
}

// search returns the place of the first entry for which reached is true: for all
// before it, it must be false, for all after it true.
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

// read returns what is held from number on, to the end of its segment, nil if there
// is nothing.
func (ss segments) read(seq uint64) *batch {
	seg, i := ss.find(seq)
	if seg == len(ss) {
		return nil
	}
	s := ss[seg]
	if all := s.entries[i:]; !s.read.is(all, all) {
		s.read = newBatch(all)
		if seg >= maxReads { // who replays history shall not double it
			ss[seg-maxReads].read = nil
		}
	}
	return s.read
}

// between returns the segments from that of number from on, and nothing from number
// to on, which is held. They stay as they are, and who asks for the same shares them.
func (ss segments) between(from, to uint64) segments {
	first, _ := ss.find(from)
	last, i := ss.find(to)
	all := slices.Clone(ss[first:last])
	if i > 0 {
		all = append(all, ss[last].head(i))
	}
	return all
}

// from returns the segment without its first n entries. Others may read s, so it
// does not change; its memory is kept until half of it is of no use.
func (s *segment) from(n int) *segment {
	rest := s.entries[n:]
	if n >= len(rest) {
		rest = append([]entry(nil), rest...)
	}
	return &segment{entries: rest, cost: s.cost, hold: s.hold}
}

// head returns the segment's first n entries. They must not be superseded.
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
