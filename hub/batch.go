package hub

import (
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// batch is a run of messages that is handed over in one write. It does not change,
// and all who read the same run share it.
type batch struct {
	first, next uint64 // numbers: those from first on, below next
	end         uint64 // as log.end, after it
	entries     []entry
	excepts     []Subscriber // who do not get all of it
	mu          sync.Mutex   // held while messages are joined, so that it is done once
	joined      [formats]atomic.Pointer[wsproto.Prepared]
}

// newBatch makes a batch of entries that follow each other.
func newBatch(runs ...[]entry) *batch {
	n := 0
	for _, run := range runs {
		n += len(run)
	}
	end := runs[len(runs)-1]
	last := end[len(end)-1]
	b := &batch{first: runs[0][0].number, next: last.number + 1, end: last.end, entries: make([]entry, 0, n)}
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
	if x := e.r.Except; x != nil && !slices.Contains(b.excepts, x) {
		b.excepts = append(b.excepts, x)
	}
}

// after returns the part from number on, nil if there is nothing in it.
func (b *batch) after(number uint64) *batch {
	if i := b.index(number); i < len(b.entries) {
		return newBatch(b.entries[i:])
	}
	return nil
}

// is reports whether b, which may be nil, is what begins with first and ends with
// last.
func (b *batch) is(first, last []entry) bool {
	return b != nil && b.first == first[0].number && b.next == last[len(last)-1].number+1
}

// all returns all messages in one.
func (b *batch) all(h *Hub, f format) *wsproto.Prepared {
	if p := b.joined[f].Load(); p != nil {
		return p
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.joined[f].Load() == nil {
		b.joined[f].Store(b.join(h, f, 0, nil))
	}
	return b.joined[f].Load()
}

// part returns what one subscriber gets: what is not below number and not its own.
// It is nil if that is nothing.
func (b *batch) part(h *Hub, f format, number uint64, to Subscriber) *wsproto.Prepared {
	if number <= b.first && !slices.Contains(b.excepts, to) {
		return b.all(h, f)
	}
	return b.join(h, f, number, to)
}

func (b *batch) join(h *Hub, f format, number uint64, to Subscriber) *wsproto.Prepared {
	ps := make([]*wsproto.Prepared, 0, len(b.entries))
	for i := range b.entries {
		if e := &b.entries[i]; e.number >= number && (to == nil || e.r.Except != to) {
			ps = append(ps, e.r.prepared(f, h.opts.Wrap))
		}
	}
	if len(ps) == 0 {
		return nil
	}
	return wsproto.Join(ps...)
}

// missing returns how many messages from number from on, below to, were superseded
// before the batch was read. Both are in the batch, or from is before it, or to after
// its end.
func (b *batch) missing(from, to uint64) int {
	if from >= to || from >= b.first && len(b.entries) == int(b.next-b.first) {
		return 0
	}
	return int(to-from) - (b.index(to) - b.index(from))
}

// endBefore returns log.end before a number that is after a message of b, or after all.
func (b *batch) endBefore(number uint64) uint64 {
	if i := b.index(number); i > 0 && number < b.next {
		return b.entries[i-1].end
	}
	return b.end
}

// index returns the place of the first entry whose number is at least number.
func (b *batch) index(number uint64) int {
	return sort.Search(len(b.entries), func(i int) bool { return b.entries[i].number >= number })
}

// firstFor returns the first message that s gets of b, of which it gets some.
func (b *batch) firstFor(s *Subscription) *entry {
	for i := range b.entries {
		if e := &b.entries[i]; e.number >= s.cursor && e.r.Except != s.to {
			return e
		}
	}
	panic("hub: a batch without a message for its receiver")
}
