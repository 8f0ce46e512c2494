//go:build linux

package netpoll

import "sync"

// table lists the connections of a loop, for the sweep and for the end. It is
// made of chunks, so that growth copies nothing. When a connection leaves, the last one
// takes its slot.
//
// The tags of connections (see Conn.SetTag) are beside them, in chunks that exist only where a tag has been set.
//
// Conn.slot is 0 until a connection has been added, its place in the table plus one while it is in it, and the complement of
// its tag from then on. Before the first and after the last of these it is not positive, and so names no place: neither a
// connection that has its loop already and is about to be added, nor one that has left, can reach the tag of another one.
type table struct {
	mu     sync.Mutex
	chunks []*chunk
	tags   []*tagChunk // by the chunk; nil or absent if all of its tags are 0
	n      int
	closed bool
}

// chunkSize is one less than a power of two, because the runtime adds a word to a block with pointers.
const chunkSize = 511

type (
	chunk    [chunkSize]*Conn
	tagChunk [chunkSize]int32
)

// add reports whether c, with a tag, was added; it is not if the table is closed.
func (t *table) add(c *Conn, tag int32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		c.slot = ^tag
		return false
	}
	if t.n == len(t.chunks)*chunkSize {
		t.chunks = append(t.chunks, new(chunk))
	}
	t.putLocked(t.n, c, tag)
	t.n++
	return true
}

func (t *table) putLocked(i int, c *Conn, tag int32) {
	t.chunks[i/chunkSize][i%chunkSize] = c
	c.slot = int32(i) + 1
	t.setTagLocked(i, tag)
}

// setTagLocked sets the tag of a slot.
func (t *table) setTagLocked(i int, tag int32) {
	k := i / chunkSize
	if k >= len(t.tags) || t.tags[k] == nil {
		if tag == 0 {
			return
		}
		for k >= len(t.tags) {
			t.tags = append(t.tags, nil)
		}
		t.tags[k] = new(tagChunk)
	}
	t.tags[k][i%chunkSize] = tag
}

// tagLocked returns the tag of a slot.
func (t *table) tagLocked(i int) int32 {
	if k := i / chunkSize; k < len(t.tags) && t.tags[k] != nil {
		return t.tags[k][i%chunkSize]
	}
	return 0
}

// remove removes c, if it was added.
func (t *table) remove(c *Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.slot <= 0 {
		return
	}
	place := int(c.slot) - 1
	tag := t.tagLocked(place)
	t.n--
	last := t.chunks[t.n/chunkSize]
	t.putLocked(place, last[t.n%chunkSize], t.tagLocked(t.n))
	last[t.n%chunkSize] = nil
	t.setTagLocked(t.n, 0)
	c.slot = ^tag
	if spare := len(t.chunks) - 2; t.n <= spare*chunkSize && spare >= 0 {
		t.chunks[spare+1] = nil
		t.chunks = t.chunks[:spare+1]
		if len(t.tags) > spare+1 {
			clear(t.tags[spare+1:])
			t.tags = t.tags[:spare+1]
		}
	}
}

// setTag sets the tag of c; it must not be negative. It does nothing if c is not in the table.
func (t *table) setTag(c *Conn, tag int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.slot > 0 {
		t.setTagLocked(int(c.slot)-1, tag)
	}
}

// tag returns the tag of c, or that which it had when it left; 0 before it is added.
func (t *table) tag(c *Conn) int32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case c.slot < 0:
		return ^c.slot
	case c.slot == 0:
		return 0
	}
	return t.tagLocked(int(c.slot) - 1)
}

// close makes add refuse connections.
func (t *table) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
}

// page returns up to limit connections of the first left ones, the last first, and how many come before them. As in each, a
// connection that stays in the table while pages are read is on one of them.
func (t *table) page(left, limit int) (page []*Conn, rest int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left = min(left, t.n)
	rest = max(0, left-limit)
	page = make([]*Conn, 0, left-rest)
	for i := left - 1; i >= rest; i-- {
		page = append(page, t.chunks[i/chunkSize][i%chunkSize])
	}
	return page, rest
}

// each calls f, without the lock, for every connection that stays in the table throughout the
// call. buf is used to copy chunks: one goroutine at a time may call each with it.
func (t *table) each(buf *chunk, f func(*Conn)) {
	t.mu.Lock()
	from := len(t.chunks) - 1
	t.mu.Unlock()
	// It begins at the end, so that a connection that takes the slot of another has been
	// seen already.
	for ; from >= 0; from-- {
		t.mu.Lock()
		if from = min(from, len(t.chunks)-1); from < 0 {
			t.mu.Unlock()
			return
		}
		*buf = *t.chunks[from]
		t.mu.Unlock()
		for j, c := range buf {
			if c != nil {
				f(c)
				buf[j] = nil
			}
		}
	}
}
