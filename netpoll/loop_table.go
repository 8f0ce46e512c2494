//go:build linux

package netpoll

import "sync"

// table lists the connections of a loop, for the sweep and for the end. It is
// made of chunks, so that growth copies nothing. When a connection leaves, the last one
// takes its slot.
type table struct {
	mu     sync.Mutex
	chunks []*chunk
	n      int
	closed bool
}

const chunkSize = 512

type chunk [chunkSize]*Conn

// add reports whether c was added; it is not if the table is closed.
func (t *table) add(c *Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		c.slot = -1
		return false
	}
	if t.n == len(t.chunks)*chunkSize {
		t.chunks = append(t.chunks, new(chunk))
	}
	t.putLocked(t.n, c)
	t.n++
	return true
}

func (t *table) putLocked(i int, c *Conn) {
	t.chunks[i/chunkSize][i%chunkSize] = c
	c.slot = int32(i)
}

// remove removes c, if it was added.
func (t *table) remove(c *Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.slot < 0 {
		return
	}
	t.n--
	last := t.chunks[t.n/chunkSize]
	t.putLocked(int(c.slot), last[t.n%chunkSize])
	last[t.n%chunkSize] = nil
	if spare := len(t.chunks) - 2; t.n <= spare*chunkSize && spare >= 0 {
		t.chunks[spare+1] = nil
		t.chunks = t.chunks[:spare+1]
	}
}

// close makes add refuse connections.
func (t *table) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
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
