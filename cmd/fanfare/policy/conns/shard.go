package conns

import (
	"math/bits"
	"sync"
)

// chunkSize is the number of connections in a chunk: one for each bit of chunk.used.
const chunkSize = 64

// chunk has connections at places that do not change. What few connections have, or none, takes no memory.
type chunk struct {
	used    uint64
	tokened uint64 // those that have a token
	targets *[chunkSize]Target
	users   column[uint64]
	ids     column[uint64]
	issued  column[uint32] // seconds since 1970
	expires column[uint32] // 0 for never
}

// column is one figure of the connections of a chunk. It exists only if one of them is not 0.
type column[T comparable] struct{ values *[chunkSize]T }

func (c *column[T]) get(i uint32) (v T) {
	if c.values != nil {
		v = c.values[i]
	}
	return v
}

func (c *column[T]) set(i uint32, v T) {
	var none T
	if c.values == nil {
		if v == none {
			return
		}
		c.values = new([chunkSize]T)
	}
	c.values[i] = v
}

func newChunk() *chunk { return &chunk{targets: new([chunkSize]Target)} }

// entry is a connection.
type entry struct {
	target   Target
	user, id uint64 // 0 for none
	issued   uint32
	expires  uint32
	token    bool
}

// set sets all of a connection but the target and the user.
func (c *chunk) set(i uint32, e *entry) {
	c.ids.set(i, e.id)
	c.issued.set(i, e.issued)
	c.expires.set(i, e.expires)
	if c.tokened &^= 1 << i; e.token {
		c.tokened |= 1 << i
	}
}

// shard has a part of the connections.
type shard struct {
	mu       sync.Mutex
	chunks   []*chunk // nil if empty
	soonest  []uint32 // for each chunk: no connection in it expires before that; 0 for none
	open     []uint32 // the chunks that have room
	spare    *chunk   // an empty one, or nil
	users    counts
	count    int
	expiring int
}

// add returns the place of a new connection, or false if its user has as many as most, which is unlimited if it is 0.
func (s *shard) add(e entry, most int) (at uint32, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.user != 0 {
		if most > 0 && s.users.of(e.user) >= most {
			return 0, false
		}
		s.users.add(e.user)
	}
	at = s.place()
	c, i := s.chunks[at/chunkSize], at%chunkSize
	c.targets[i] = e.target
	c.users.set(i, e.user)
	c.set(i, &e)
	s.count++
	s.noteLocked(at, 0, e.expires)
	return at, true
}

// place takes a free place.
func (s *shard) place() uint32 {
	if len(s.open) == 0 {
		s.open = append(s.open, uint32(len(s.chunks)))
		s.chunks, s.soonest = append(s.chunks, nil), append(s.soonest, 0)
	}
	last := len(s.open) - 1
	i := s.open[last]
	c := s.chunks[i]
	if c == nil {
		if c, s.spare = s.spare, nil; c == nil {
			c = newChunk()
		}
		s.chunks[i] = c
	}
	slot := uint32(bits.TrailingZeros64(^c.used))
	if c.used |= 1 << slot; ^c.used == 0 {
		s.open = s.open[:last]
	}
	return i*chunkSize + slot
}

// noteLocked is called when the connection at a place expires at another time than before.
func (s *shard) noteLocked(at, before, now uint32) {
	if before != 0 {
		s.expiring--
	}
	if now == 0 {
		return
	}
	s.expiring++
	if first := &s.soonest[at/chunkSize]; *first == 0 || now < *first {
		*first = now
	}
}

func (s *shard) remove(at uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := at / chunkSize
	c, slot := s.chunks[i], at%chunkSize
	s.noteLocked(at, c.expires.get(slot), 0)
	if user := c.users.get(slot); user != 0 {
		s.users.remove(user)
	}
	c.targets[slot] = nil
	c.users.set(slot, 0)
	c.set(slot, &entry{})
	if ^c.used == 0 {
		s.open = append(s.open, i)
	}
	if c.used &^= 1 << slot; c.used == 0 {
		s.chunks[i], s.soonest[i], s.spare = nil, 0, c
	}
	if s.count--; s.count == 0 && len(s.chunks) > 1 { // slices keep their size
		s.chunks, s.soonest, s.open = nil, nil, nil
	}
}

// renew changes all but the target and the user, and reports whether the user is the same.
func (s *shard) renew(at uint32, to entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, i := s.chunks[at/chunkSize], at%chunkSize
	if c.users.get(i) != to.user {
		return false
	}
	s.noteLocked(at, c.expires.get(i), to.expires)
	c.set(i, &to)
	return true
}

const (
	batchSize = 2 * chunkSize // targets that are collected before the lock is released
	batchScan = 16            // chunks that are searched before the lock is released
)

// due appends targets that have expired, from chunk i on, and returns the chunk with which to go on, or -1.
func (s *shard) due(now uint32, i int, batch []Target) ([]Target, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expiring == 0 {
		return batch, -1
	}
	scanned := 0
	for ; i < len(s.chunks); i++ {
		if first := s.soonest[i]; first == 0 || first > now {
			continue
		}
		if scanned++; scanned > batchScan || len(batch) > batchSize-chunkSize {
			return batch, i
		}
		batch = s.dueIn(i, now, batch)
	}
	return batch, -1
}

func (s *shard) dueIn(i int, now uint32, batch []Target) []Target {
	c, first := s.chunks[i], uint32(0)
	for used := c.used; used != 0; used &= used - 1 {
		slot := uint32(bits.TrailingZeros64(used))
		switch expires := c.expires.get(slot); {
		case expires == 0:
		case expires <= now:
			batch = append(batch, c.targets[slot])
			c.expires.set(slot, 0)
			s.expiring--
		case first == 0 || expires < first:
			first = expires
		}
	}
	s.soonest[i] = first
	return batch
}

// matching is due for the connections that f selects.
func (s *shard) matching(f *Filter, i int, batch []Target) ([]Target, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for end := i + batchScan; i < len(s.chunks); i++ {
		if i == end || len(batch) > batchSize-chunkSize {
			return batch, i
		}
		c := s.chunks[i]
		if c == nil {
			continue
		}
		for used := c.used; used != 0; used &= used - 1 {
			if slot := uint32(bits.TrailingZeros64(used)); f.selects(c, slot) {
				batch = append(batch, c.targets[slot])
			}
		}
	}
	return batch, -1
}

// next returns when the first connection may expire, or 0 for never.
func (s *shard) next() (first uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expiring == 0 {
		return 0
	}
	for _, t := range s.soonest {
		if t != 0 && (first == 0 || t < first) {
			first = t
		}
	}
	return first
}
