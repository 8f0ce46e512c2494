package hub

import (
	"slices"
	"weak"
)

// kept is a part of a log for those who hold it, whatever becomes of the log. What many hold,
// as a whole or in parts, counts once, from when the log has forgotten it: see log.keep.
type kept struct {
	segments
	until uint64 // number of the first message after it
	first uint64 // the lowest number that the log held when this was taken
	from  uint64 // it has all that was held from here on
}

// hold is who keeps a segment. Its parts share it.
type hold struct {
	by   int    // so many subscriptions
	cost uint64 // in log.kept; 0 as long as the log holds it itself
}

// snapshot returns all that is held from a number on. Those who ask again before the next
// message share it.
func (l *log) snapshot(from uint64) *kept {
	k := &kept{until: l.next, first: l.oldest(), from: from}
	seg, i := l.segs.find(from)
	if seg == len(l.segs) {
		return k
	}
	last := l.segs[len(l.segs)-1]
	if snap := last.snap.Value(); snap != nil && snap.from <= from {
		return snap
	}
	k.segments = slices.Clone(l.segs[seg:])
	for j, s := range k.segments {
		if l.keys != nil { // what is superseded later was not when this was taken
			k.segments[j] = &segment{entries: slices.Clone(s.entries[i:])}
			i = 0
		} else if s == last {
			k.segments[j] = s.head(len(s.entries))
		}
	}
	last.snap = weak.Make(k)
	return k
}

// keep takes note that one more subscription keeps k. The copies of a topic that conflates
// are not counted: they live for Options.EndTimeout at most.
func (l *log) keep(k *kept) {
	if l.keys != nil {
		return
	}
	for _, s := range k.segments {
		if s.hold == nil {
			s.hold = new(hold)
		}
		s.hold.by++
		if last := &s.entries[len(s.entries)-1]; last.seq < l.oldest() {
			first := &s.entries[0]
			l.charge(s.hold, last.end-first.end+first.r.cost())
		}
	}
}

// release takes note that a subscription keeps k no more.
func (l *log) release(k *kept) {
	if l.keys != nil {
		return
	}
	for _, s := range k.segments {
		if s.hold.by--; s.hold.by == 0 {
			l.kept -= s.hold.cost
			s.hold.cost = 0
		}
	}
}

// leave takes note that the log holds these segments no more.
func (l *log) leave(gone segments) {
	for _, s := range gone {
		if s.hold != nil && s.hold.by > 0 {
			l.charge(s.hold, s.cost)
		}
	}
}

// charge counts what is held, once.
func (l *log) charge(h *hold, cost uint64) {
	if h.cost == 0 {
		h.cost = cost
		l.kept += cost
	}
}
