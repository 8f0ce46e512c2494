package main

// broadcastShard is a shard's state of a broadcast. The caller of its methods must hold the shard's lock.
type broadcastShard struct {
	readers int // subscribers that are open
	probe   uint64
	probed  int      // readers that have received that probe
	first   []uint64 // first message of the current phase, for each publisher
	rings   [][]slot // one for each publisher; empty without a window
}

// slot counts the subscribers of the shard that have received a message in flight. The messages of a publisher use the slots
// in turn: a publisher does not send the next message of a slot before this one is done in all shards.
type slot struct {
	number  uint64 // of the message, plus 1
	readers int
	done    bool
}

// begin starts a phase and drops the messages in flight. first has the number of each publisher's first message. A window of
// 0 means that there is none.
func (c *broadcastShard) begin(first []uint64, window int) {
	c.first, c.rings = first, make([][]slot, len(first))
	for i := range c.rings {
		c.rings[i] = make([]slot, window)
	}
}

// isOld reports whether a message belongs to an earlier phase, which gave it up.
func (c *broadcastShard) isOld(publisher int, n uint64) bool {
	return len(c.first) > 0 && n < c.first[publisher]
}

// windowed reports whether publishers wait until all subscribers have a message.
func (c *broadcastShard) windowed() bool { return len(c.rings) > 0 && len(c.rings[0]) > 0 }

// credit counts one more reader that has received message n or never will. It reports whether that was the last reader of
// the shard.
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

// leave removes a reader, which has received the messages in seqs, and calls finished for each message that only this reader
// had not received.
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

// sawProbe counts a reader that received probe n.
func (c *broadcastShard) sawProbe(n uint64) {
	if n > c.probe {
		c.probe, c.probed = n, 0
	}
	if n == c.probe {
		c.probed++
	}
}
