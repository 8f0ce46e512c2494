package natsbroker

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sync"
)

// minRemoved is how many removed entries a node remembers at least. It remembers as many as it has
// entries, if these are more: a snapshot would be as large.
const minRemoved = 4096

// maxDead is how many bytes of the log earlier changes may have, or as many as the entries have.
const maxDead = 1 << 20

// state is the state of this node: a log that has each entry where it changed last, and for some time
// its earlier changes. So what changed after any number can be read in order, piece by piece, while
// the state goes on changing.
type state struct {
	mu    sync.Mutex // a leaf
	fresh []change   // that are not in the log yet
	off   bool       // nobody takes fresh

	// The goroutine that shares the state has the rest for itself.

	number  uint64 // of the latest change
	sent    uint64 // up to which notes have been sent; no more than number
	entries map[string]*entry
	log     []*entry // in the order of their numbers
	size    int      // of the log
	dead    int      // entries in the log that have changed again
	old     int      // the size of these
	whole   uint64   // the log has all changes after this one
	removed int      // entries in the log that have been removed
	least   int      // of these are remembered: minRemoved
	floor   uint64   // the latest removal that is forgotten
}

// entry is an entry of the state, and its last change.
type entry struct {
	change
	number uint64
	dead   bool // there is a later change
}

// SetState makes Broker a [hub.Peers].
func (b *Broker) SetState(key string, value []byte) {
	if len(key) > maxKey || len(value) > maxValue {
		b.report(fmt.Errorf("natsbroker: an entry of the state is left out: its key has %d bytes, of which %d are allowed, and its value %d, of %d",
			len(key), maxKey, len(value), maxValue))
		return
	}
	b.state.set(change{key, value})
	b.peers.rouse()
}

func (st *state) set(c change) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.off {
		st.fresh = append(st.fresh, c)
	}
}

// end drops all changes from here on.
func (st *state) end() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.off, st.fresh = true, nil
}

// apply takes the fresh changes into the log.
func (st *state) apply() {
	st.mu.Lock()
	fresh := st.fresh
	st.fresh = nil
	st.mu.Unlock()
	for _, c := range fresh {
		st.put(c)
	}
	if st.dead > max(st.least, len(st.log)/2) || st.old > max(maxDead, st.size/2) || st.removed > 2*st.maxRemoved() {
		st.compact()
	}
}

func (st *state) put(c change) {
	old := st.entries[c.key]
	if old == nil && c.value == nil || old != nil && (old.value == nil) == (c.value == nil) && bytes.Equal(old.value, c.value) {
		return // it is so already
	}
	if old != nil {
		if old.value == nil {
			st.removed--
		}
		old.dead = true
		st.dead++
		st.old += old.size()
	}
	st.number++
	e := &entry{change: c, number: st.number}
	st.size += e.size()
	if st.entries == nil {
		st.entries = make(map[string]*entry)
	}
	st.entries[c.key] = e
	st.log = append(st.log, e)
	if c.value == nil {
		st.removed++
	}
}

// maxRemoved returns how many removed entries are remembered.
func (st *state) maxRemoved() int { return max(st.least, len(st.entries)-st.removed) }

// compact takes dead entries out of the log, and the oldest of too many removed ones. What has not
// been announced remains.
func (st *state) compact() {
	excess := st.removed - st.maxRemoved()
	log := make([]*entry, 0, len(st.log)-st.dead)
	for _, e := range st.log {
		switch {
		case e.number > st.sent:
			log = append(log, e)
			continue
		case e.dead:
			st.dead--
			st.old -= e.size()
		case e.value == nil && excess > 0:
			excess--
			st.removed--
			st.floor = e.number
			delete(st.entries, e.key)
		default:
			log = append(log, e)
			continue
		}
		st.size -= e.size()
	}
	st.log, st.whole = log, st.sent
}

// note returns the next note for all peers, of which the changes have at most limit bytes. omitted
// counts the entries that are too large.
func (st *state) note(limit int) (c changes, omitted int) {
	c = changes{from: st.sent, upTo: st.number}
	omitted = st.fill(&c, limit)
	st.sent, c.last = c.upTo, st.number
	return c, omitted
}

// part returns the next part for a peer that has everything up to from. It has only what has been
// announced to all, so that a peer that has it is ready for the next note.
func (st *state) part(from uint64, limit int) (c changes, omitted int) {
	c = changes{from: from, upTo: st.sent, last: st.sent}
	if from == 0 || from < st.floor || from > st.sent {
		c.from, c.snapshot = 0, true
	}
	return c, st.fill(&c, limit)
}

// fill adds the changes between c.from and c.upTo, which becomes less if there is no room for all: each
// single one if the log has them, and otherwise the last one of each entry.
func (st *state) fill(c *changes, limit int) (omitted int) {
	i, _ := slices.BinarySearchFunc(st.log, c.from+1, func(e *entry, n uint64) int { return cmp.Compare(e.number, n) })
	for _, e := range st.log[i:] {
		if e.number > c.upTo {
			break
		}
		if c.from < st.whole && (e.dead || c.snapshot && e.value == nil) {
			continue
		}
		n := e.size()
		if n > limit && len(c.all) == 0 {
			omitted++
			continue
		}
		if limit -= n; limit < 0 {
			c.upTo = e.number - 1
			break
		}
		c.all = append(c.all, e.change)
	}
	return omitted
}
