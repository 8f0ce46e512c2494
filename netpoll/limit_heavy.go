//go:build linux

package netpoll

import (
	"math/bits"
	"sync"
)

// heavy lists the connections of a loop that hold some memory, by the power of two of its
// size. So the heaviest is found, to within a factor of two, without
// looking at all connections, and a connection seldom changes lists.
type heavy struct {
	mu    sync.Mutex
	lists [loadClasses]load // rings, each with a head that is no connection's
}

const (
	loadClasses = 32
	lightBits   = 12 // a connection that holds less than 4 KiB is in no list
	// mostTried bounds how many connections pick tries to lock.
	mostTried = 16
)

func classOf(bytes int) uint8 {
	return uint8(min(bits.Len(uint(bytes)>>lightBits), loadClasses-1))
}

func (h *heavy) init() {
	for i := range h.lists {
		head := &h.lists[i]
		head.prev, head.next = head, head
	}
}

// moveLocked puts c, which is locked, at the end of the list of class, or into no list if
// class is 0.
func (h *heavy) moveLocked(c *Conn, class uint8) {
	n := &c.cold.load
	h.mu.Lock()
	defer h.mu.Unlock()
	n.conn = c
	if n.class > 0 {
		n.prev.next, n.next.prev = n.next, n.prev
		n.prev, n.next = nil, nil
	}
	if n.class = class; class > 0 {
		head := &h.lists[class]
		n.prev, n.next = head.prev, head
		head.prev.next, head.prev = n, n
	}
}

// pick returns a connection of class, locked: of those whose lock is free, the one that has been
// in the list for longest, or self, which the caller has locked already. It returns nil if there
// is none; then busy reports whether others have locked one. It waits for no
// connection's lock, so it may be called under that of another.
func (h *heavy) pick(class int, self *Conn) (c *Conn, busy bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	head := &h.lists[class]
	n := head.next
	for range mostTried {
		if n == head {
			break
		}
		c, n = n.conn, n.next
		if c != self && !c.mu.TryLock() {
			busy = true
			continue
		}
		if c.phase < dying {
			return c, false
		}
		if c != self { // it ends, and frees what it holds, soon
			c.mu.Unlock()
		}
	}
	return nil, busy
}
