package hub

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// DefaultMaxBacklog is the Options.MaxBacklog of hubs that state none.
const DefaultMaxBacklog = 4 << 20

// memory is what the logs of all topics hold: history, and what waits for slow
// subscribers. A topic reports what its log holds when a round has ended, so what is on its
// way to subscribers that take it costs no access to what topics share.
type memory struct {
	hub      *Hub
	limit    int64
	held     atomic.Int64
	shed     atomic.Int64 // messages that were forgotten before their time
	shedding atomic.Bool

	mu      sync.Mutex          // after Topic.mu
	holders map[*Topic]struct{} // that hold something
}

// reportLocked has the hub know what the topic holds.
func (t *Topic) reportLocked() {
	held := int64(t.log.cost)
	if t.ended {
		held = 0
	}
	if held == t.reported {
		return
	}
	m := &t.hub.memory
	if held == 0 || t.reported == 0 {
		m.mu.Lock()
		if held == 0 {
			delete(m.holders, t)
		} else {
			m.holders[t] = struct{}{}
		}
		m.mu.Unlock()
	}
	more := held - t.reported
	t.reported = held
	m.add(more)
}

// add takes note of bytes, and has topics shed what is too much.
func (m *memory) add(bytes int64) {
	if m.held.Add(bytes) > m.limit && bytes > 0 && m.shedding.CompareAndSwap(false, true) {
		go func() {
			defer m.shedding.Store(false)
			m.level()
		}()
	}
}

// over reports whether there is too much.
func (m *memory) over() bool { return m.held.Load() > m.limit }

// level has those topics that hold most forget their oldest, down to a level at which an
// eighth of the limit is free again.
func (m *memory) level() {
	type holder struct {
		topic *Topic
		held  int64
	}
	m.mu.Lock()
	all := make([]holder, 0, len(m.holders))
	for t := range m.holders {
		all = append(all, holder{topic: t})
	}
	m.mu.Unlock()
	total := int64(0)
	for i := range all {
		t := all[i].topic
		t.mu.Lock()
		all[i].held = t.reported
		t.mu.Unlock()
		total += all[i].held
	}
	slices.SortFunc(all, func(a, b holder) int { return cmp.Compare(b.held, a.held) })
	excess := total - (m.limit - m.limit/8)
	cut, above := 0, int64(0) // those before cut are cut to a level of above/cut
	for excess > 0 && cut < len(all) {
		above += all[cut].held
		cut++
		if next := int64(0); cut < len(all) {
			next = all[cut].held
			if above-int64(cut)*next >= excess {
				break
			}
		}
	}
	for _, h := range all[:cut] {
		m.shed.Add(int64(h.topic.cut(uint64(max(0, above-excess) / int64(cut)))))
	}
}

// cut has the topic hold no more bytes than so many, but for what is on its way, and
// returns how many messages it forgets. Who has yet to get some of these finds a gap.
func (t *Topic) cut(bytes uint64) (messages int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	floor := t.boundLocked(t.log.next, unlimited, bytes)
	for _, g := range t.groups {
		if g.members > 0 {
			floor = min(floor, g.cursor)
		}
	}
	before := t.log.count
	t.log.trim(floor)
	t.reportLocked()
	return before - t.log.count
}

// owed is what a subscription that is behind has yet to get, as it counts for its
// connection.
type owed struct {
	at    uint64 // log.end before the cursor
	bytes int64  // what counts now
}

// owes takes note that s, which is behind, has yet to get what its topic has published up to
// end. It reports whether that is too much for its connection, with what it has yet to get of
// other topics. Called within a round.
func (g *group) owes(s *Subscription, end uint64) (tooMuch bool) {
	l := s.lag
	bytes := max(0, int64(end-l.owed.at))
	m, ok := s.to.(*Member)
	if !ok {
		return false // it has this topic only, which has its own limit
	}
	more := bytes - l.owed.bytes
	l.owed.bytes = bytes
	return m.draining().owed.Add(more) > max(g.topic.hub.opts.MaxBacklog, int64(g.topic.opts.Limit.Bytes))
}

// paid takes note that s is at another place: log.end was at before it.
func (s *Subscription) paid(at uint64) {
	l := s.lag
	less := min(l.owed.bytes, max(0, int64(at-l.owed.at)))
	l.owed.at = at
	l.owed.bytes -= less
	if m, ok := s.to.(*Member); ok && less > 0 {
		m.draining().owed.Add(-less)
	}
}

// paidAll takes note that s has nothing to get any more.
func (s *Subscription) paidAll() {
	if l := s.lag; l != nil {
		s.paid(l.owed.at + uint64(l.owed.bytes))
	}
}
