package hub

import (
	"slices"
	"sort"
)

type entry struct {
	r      *Record // nil if superseded
	seq    uint64
	offset uint64
	end    uint64 // as log.end, this message included
}

// batch is a run of messages that is sent with a single write. It does not change, and all
// subscribers that read the same run share it.
type batch struct {
	first, next uint64 // sequence numbers: from first on, below next
	end         uint64 // as log.end, after it
	entries     []entry
	excluded    []Subscriber // subscribers that do not get all of it
	forms       forms        // of all messages joined
}

// newBatch returns a batch of entries that follow each other.
func newBatch(runs ...[]entry) *batch {
	n := 0
	for _, run := range runs {
		n += len(run)
	}
	end := runs[len(runs)-1]
	last := end[len(end)-1]
	b := &batch{first: runs[0][0].seq, next: last.seq + 1, end: last.end, entries: make([]entry, 0, n)}
	for _, run := range runs {
		for _, e := range run {
			b.add(e)
		}
	}
	return b
}

func (b *batch) add(e entry) {
	if e.r == nil {
		return
	}
	b.entries = append(b.entries, e)
	if x := e.r.Exclude; x != nil && !slices.Contains(b.excluded, x) {
		b.excluded = append(b.excluded, x)
	}
}

// after returns the part from seq on, nil if it is empty.
func (b *batch) after(seq uint64) *batch {
	if i := b.index(seq); i < len(b.entries) {
		return newBatch(b.entries[i:])
	}
	return nil
}

// is reports whether b, which may be nil, begins with first and ends with last.
func (b *batch) is(first, last []entry) bool {
	return b != nil && b.first == first[0].seq && b.next == last[len(last)-1].seq+1
}

// missing returns how many messages from sequence number from on, below to, had been superseded
// when the batch was read. Either number is in the batch, or from is before it, or to is after
// its end.
func (b *batch) missing(from, to uint64) int {
	if from >= to || from >= b.first && len(b.entries) == int(b.next-b.first) {
		return 0
	}
	return int(to-from) - (b.index(to) - b.index(from))
}

// endBefore returns log.end before seq, which is after a message of b, or after all.
func (b *batch) endBefore(seq uint64) uint64 {
	if i := b.index(seq); i > 0 && seq < b.next {
		return b.entries[i-1].end
	}
	return b.end
}

// index returns the index of the first entry whose sequence number is at least seq.
func (b *batch) index(seq uint64) int {
	return sort.Search(len(b.entries), func(i int) bool { return b.entries[i].seq >= seq })
}
