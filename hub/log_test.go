package hub

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// naive is a log that keeps everything in one list and counts each time.
type naive struct {
	conflates bool
	all       []entry // those that are held
	next      uint64
	end       uint64
	last      uint64
	lost      uint64
}

func (n *naive) append(r *Record, offset uint64) {
	if n.conflates && r.Key != "" {
		for i := range n.all {
			if n.all[i].r != nil && n.all[i].r.Key == r.Key {
				n.all[i].r = nil
			}
		}
	}
	n.end += r.cost()
	n.all = append(n.all, entry{r, n.next, offset, n.end})
	n.next++
	n.last = offset
}

func (n *naive) trim(floor uint64) {
	for len(n.all) > 0 && n.all[0].seq < floor {
		if n.all[0].r != nil {
			n.lost = n.all[0].offset
		}
		n.all = n.all[1:]
	}
}

// held returns the entries from a sequence number on that are not superseded.
func (n *naive) held(seq uint64) (held []entry) {
	for _, e := range n.all {
		if e.seq >= seq && e.r != nil {
			held = append(held, e)
		}
	}
	return held
}

func (n *naive) cost(seq uint64) (cost uint64) {
	for _, e := range n.held(seq) {
		cost += e.r.cost()
	}
	return cost
}

// youngest returns the lowest sequence number from which on no more than the given messages and
// bytes are held.
func (n *naive) youngest(messages, bytes uint64) uint64 {
	for _, e := range n.held(0) {
		if uint64(len(n.held(e.seq))) <= messages && n.cost(e.seq) <= bytes {
			return e.seq
		}
	}
	return n.next
}

func (n *naive) endBefore(seq uint64) uint64 {
	end := n.end
	for _, e := range slices.Backward(n.all) {
		if e.seq >= seq {
			if end = e.end; e.r != nil {
				end -= e.r.cost()
			}
		}
	}
	return end
}

// The log holds what a list would, no matter how it is appended to, read and trimmed.
func TestLogAgainstNaive(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		l, n := &log{next: 1}, &naive{next: 1, conflates: seed%2 == 0}
		if n.conflates {
			l.keys = make(map[string]uint64)
		}
		sizes := []int{0, 10, 5_000, maxBatch}[:1+rng.IntN(4)]
		offset := uint64(0)
		for range 300 {
			switch rng.IntN(8) {
			default:
				offset += 1 + rng.Uint64N(2)
				r := &Record{Message: Message{Kind: Binary, Data: (make([]byte, sizes[rng.IntN(len(sizes))]))}}
				if rng.IntN(10) > 0 {
					r.Key = string('a' + rune(rng.IntN(8)))
				}
				l.append(r, offset)
				n.append(r, offset)
			case 0:
				l.segs.read(rng.Uint64N(l.next + 1))
				l.readOn(rng.Uint64N(l.next + 1))
			case 1:
				if rng.IntN(4) == 0 {
					floor := l.next - min(l.next, rng.Uint64N(60))
					l.trim(floor)
					n.trim(floor)
				}
			}
			if err := compare(l, n, rng); err != nil {
				t.Fatalf("seed %d, at %d: %v", seed, l.next, err)
			}
		}
	}
}

func compare(l *log, n *naive, rng *rand.Rand) error {
	if l.next != n.next || l.end != n.end || l.last != n.last {
		return fmt.Errorf("next, end, last are %d %d %d, want %d %d %d", l.next, l.end, l.last, n.next, n.end, n.last)
	}
	if l.count != len(n.held(0)) || l.cost != n.cost(0) {
		return fmt.Errorf("%d of cost %d are held, want %d of %d", l.count, l.cost, len(n.held(0)), n.cost(0))
	}
	if l.lost != n.lost {
		return fmt.Errorf("lost %d, want %d", l.lost, n.lost)
	}
	entries := 0
	for _, s := range l.segs {
		if len(s.entries) == 0 {
			return fmt.Errorf("an empty segment")
		}
		entries += len(s.entries)
	}
	if entries > 2*l.count+maxHoles+1 {
		return fmt.Errorf("%d entries for %d messages", entries, l.count)
	}
	if err := compareRead(l, n, rng.Uint64N(l.next+1)); err != nil {
		return err
	}
	messages, bytes := rng.Uint64N(100), rng.Uint64N(100_000)
	if got, want := l.youngest(messages, bytes), n.youngest(messages, bytes); got != want {
		return fmt.Errorf("youngest(%d, %d) is %d, want %d", messages, bytes, got, want)
	}
	return nil
}

// compareRead reads and compares all messages from a sequence number on.
func compareRead(l *log, n *naive, from uint64) error {
	want := n.held(from)
	if !n.conflates {
		if got, want := l.endBefore(from), n.endBefore(from); got != want {
			return fmt.Errorf("endBefore(%d) is %d, want %d", from, got, want)
		}
	}
	if at := l.before(from); len(want) > 0 && at >= want[0].offset || len(want) == 0 && at != l.last {
		return fmt.Errorf("before(%d) is %d", from, at)
	}
	for what, read := range map[string]func(uint64) *batch{"read": l.segs.read, "readOn": l.readOn} {
		var got []entry
		missing, seq := 0, from
		for b := read(seq); b != nil; b = read(seq) {
			if b != read(seq) {
				return fmt.Errorf("%s: who reads the same gets another batch", what)
			}
			missing += b.missing(seq, b.next)
			got = append(got, b.entries...)
			seq = b.next
		}
		if !slices.EqualFunc(got, want, func(a, b entry) bool { return a.r == b.r && a.seq == b.seq && a.offset == b.offset }) {
			return fmt.Errorf("%s: got %d from %d on, want %d", what, len(got), from, len(want))
		}
		if seq = max(seq, from); missing != int(seq-from)-len(got) {
			return fmt.Errorf("%s: %d are missing from %d to %d, of which %d were read", what, missing, from, seq, len(got))
		}
	}
	return nil
}

// A part that was cut out of a log does not change, and is shared.
func TestBetween(t *testing.T) {
	l := &log{next: 1}
	add := func(n int) {
		for range n {
			l.append(&Record{Message: number(l.next)}, l.next)
		}
	}
	add(2000)
	for _, c := range [][2]uint64{{1, 2000}, {1, 1500}, {700, 701}, {900, 1800}, {900, 900}} {
		cut := l.segs.between(c[0], c[1])
		again := l.segs.between(c[0], c[1])
		l.trim(c[0])
		add(500)
		var got []uint64
		for n := c[0]; ; {
			b := cut.read(n)
			if b == nil {
				break
			}
			if b != again.read(n) {
				t.Errorf("%v: not shared at %d", c, n)
			}
			for _, e := range b.entries {
				got = append(got, e.seq)
			}
			n = b.next
		}
		if want := int(c[1] - c[0]); len(got) != want || want > 0 && (got[0] != c[0] || got[want-1] != c[1]-1) {
			t.Errorf("%v: got %d", c, len(got))
		}
		l = &log{next: 1}
		add(2000)
	}
}

// Messages that a log has dropped are not kept in memory by those that it still holds.
func TestTrimLeavesLittleBehind(t *testing.T) {
	l := &log{next: 1}
	for n := range uint64(10_000) {
		l.append(&Record{Message: number(n)}, n)
		l.trim(l.next - min(l.next, 100))
		if e := l.segs[0].entries; len(l.segs) > 2 || cap(e) > 2000 {
			t.Fatalf("%d segments; the first has %d entries and room for %d", len(l.segs), len(e), cap(e))
		}
	}
	l.trim(l.next)
	if l.segs != nil || l.count != 0 || l.cost != 0 {
		t.Errorf("an empty log has %+v", l)
	}
}

// A log whose older messages arrive later equals one whose messages all arrived in order.
func TestLogPrepend(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 2))
		whole, late := &log{next: 1}, &log{next: 1000, end: 1 << 40}
		if seed%2 == 0 {
			whole.keys, late.keys = make(map[string]uint64), make(map[string]uint64)
		}
		var older []*Record
		split, total := rng.IntN(60), rng.IntN(60)
		late.begin(uint64(2*split), uint64(2*split))
		for i := range total {
			r := &Record{Message: Message{Kind: Binary, Data: (make([]byte, rng.IntN(20_000)))}, Offset: uint64(2*i + 2)}
			if rng.IntN(3) > 0 {
				r.Key = string('a' + rune(rng.IntN(8)))
			}
			whole.append(r, r.Offset)
			if i < split {
				older = append(older, r)
			} else {
				late.append(r, r.Offset)
			}
		}
		if total < split {
			whole.skip(uint64(2 * split))
		}
		late.prepend(older, 0)
		if late.lost != 0 || late.last != whole.last || late.count != whole.count || late.cost != whole.cost {
			t.Fatalf("seed %d: %+v, want %+v", seed, late, whole)
		}
		a, b := live(whole), live(late)
		if len(a) != len(b) {
			t.Fatalf("seed %d: %d entries, want %d", seed, len(b), len(a))
		}
		for i := range a {
			if a[i].r != b[i].r || late.endBefore(b[i].seq) != b[i].end-b[i].r.cost() {
				t.Fatalf("seed %d: entry %d is %+v, want %+v", seed, i, b[i], a[i])
			}
			if i > 0 && (b[i].seq <= b[i-1].seq || b[i].end < b[i-1].end+b[i].r.cost()) {
				t.Fatalf("seed %d: entry %d is %+v after %+v", seed, i, b[i], b[i-1])
			}
			if k := b[i].r.Key; late.keys != nil && k != "" && late.keys[k] != b[i].seq {
				t.Fatalf("seed %d: the latest of %s is not %d", seed, k, b[i].seq)
			}
		}
		if n := len(b); n > 0 && b[n-1].end != late.end {
			t.Fatalf("seed %d: it ends at %d, not %d", seed, b[n-1].end, late.end)
		}
	}
}

// live returns the entries that are not superseded.
func live(l *log) (all []entry) {
	for _, s := range l.segs {
		for _, e := range s.entries {
			if e.r != nil {
				all = append(all, e)
			}
		}
	}
	return all
}
