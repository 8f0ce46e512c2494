package main

// broadcastShard is what a shard knows of a broadcast. Its methods are called with the
// shard's lock held.
type broadcastShard struct {
	readers int // subscribers that are open
	probe   uint64
	probed  int      // of the readers, those who have that probe
	first   []uint64 // message of the phase under way, for each publisher
	rings   [][]slot // one for each publisher; empty without a window
}

// slot counts who of the shard has a message that is under way. Messages of a
// publisher share the slots in turn: the next one for a slot is not sent before
// this is done everywhere.
type slot struct {
	number  uint64 // of the message, plus 1
	readers int
	done    bool
}

// begin forgets what was under way: a phase begins with messages first. A window of 0
// is none.
func (c *broadcastShard) begin(first []uint64, window int) {
	c.first, c.rings = first, make([][]slot, len(first))
	for i := range c.rings {
		c.rings[i] = make([]slot, window)
	}
}

// isOld reports whether a message is of a phase before, which gave it up.
func (c *broadcastShard) isOld(publisher int, n uint64) bool {
	return len(c.first) > 0 && n < c.first[publisher]
}

// windowed reports whether anybody waits until messages are everywhere.
func (c *broadcastShard) windowed() bool { return len(c.rings) > 0 && len(c.rings[0]) > 0 }

// credit counts that one more reader has message n, or never will, and reports
// whether that was the last of the shard.
func (c *broadcastShard) credit(publisher int, n uint64) bool {
	ring := c.rings[publisher]
	s := &ring[n%uint64(len(ring))]
	if s.number != n+1 {
		*s = slot{number: n + 1}
	}
	s.readers++
	return s.finish(c.readers)
}

func (s *slot) finish(readers int) bool {
	if s.done || s.number == 0 || s.readers < readers {
		return false
	}
	s.done = true
	return true
}

// leave counts a reader out that has seen what is in seqs, and calls finished for
// each message that only he was waited for.
func (c *broadcastShard) leave(seqs []sequence, finished func(publisher int, n uint64)) {
	c.readers--
	for p, ring := range c.rings {
		for i := range ring {
			s := &ring[i]
			if s.number != 0 && !s.done && s.number-1 < seqs[p].next {
				s.readers--
			}
			if s.finish(c.readers) {
				finished(p, s.number-1)
			}
		}
	}
}

// sawProbe counts a reader who got probe n after the earlier ones.
func (c *broadcastShard) sawProbe(n uint64) {
	if n > c.probe {
		c.probe, c.probed = n, 0
	}
	if n == c.probe {
		c.probed++
	}
}
