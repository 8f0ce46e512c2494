package hub

import (
	"slices"
	"weak"
)

// snapshot returns all messages held from a sequence number on. Callers share the snapshot until
// the next message is appended.
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
		if l.keys != nil { // a copy, because entries that are superseded later change in place
			k.segments[j] = &segment{entries: slices.Clone(s.entries[i:])}
			i = 0
		} else if s == last {
			k.segments[j] = s.head(len(s.entries))
		}
	}
	last.snap = weak.Make(k)
	return k
}

// keep records that one more subscription keeps k. The copies of a topic that conflates are not
// counted: they live no longer than Options.EndTimeout.
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

// release records that a subscription no longer keeps k.
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
