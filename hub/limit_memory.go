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
// subscribers, what these keep of what a log has forgotten included. A topic reports what its log holds when a round has ended, so what is on its
// way to subscribers that take it costs no access to what topics share.
type memory struct {
	hub      *Hub
	limit    int64
	held     atomic.Int64
	shed     atomic.Int64 // messages that were forgotten before their time
	passes   atomic.Int64 // that looked at all topics to find what to shed
	next     atomic.Int64 // beyond this it is shed: limit, or more if little could be shed the last time
	shedding atomic.Bool

	mu      sync.Mutex          // after Topic.mu
	holders map[*Topic]struct{} // that hold something
}

// reportLocked has the hub know what the topic holds.
func (t *Topic) reportLocked() {
	held := int64(t.log.kept)
	if !t.ended {
		held += int64(t.log.cost)
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
	held := m.held.Add(bytes)
	if bytes > 0 {
		m.start()
	} else if next := m.nextAt(held); m.next.Load() > next {
		m.next.Store(next)
	}
}

// nextAt returns beyond what it is shed when so much is held and none of it can be shed now:
// a pass looks at all topics, so the next one waits until there is a sixteenth more, or less.
func (m *memory) nextAt(held int64) int64 {
	if held <= m.limit {
		return m.limit
	}
	return held + m.limit/16
}

// start has what is too much shed, as long as that is of use.
func (m *memory) start() {
	if m.held.Load() <= m.next.Load() || !m.shedding.CompareAndSwap(false, true) {
		return
	}
	go func() {
		for before := m.held.Load(); ; {
			m.passes.Add(1)
			m.level()
			held := m.held.Load()
			m.next.Store(m.nextAt(held))
			if held <= m.limit || held >= before {
				break
			}
			before = held
		}
		m.shedding.Store(false)
		m.start() // for what came when it was done, but had not said so
	}()
}

// level has those topics that hold most forget their oldest, and what they keep for those who
// are slow, down to a level at which an eighth of the limit is free again.
func (m *memory) level() {
	all, total := m.holding()
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
	level := uint64(max(0, above-excess) / int64(max(cut, 1)))
	for i := range all[:cut] {
		excess -= m.cut(&all[i], level)
	}
	slices.SortFunc(all[:cut], func(a, b topicUsage) int { return cmp.Compare(b.kept, a.kept) })
	for _, h := range all[:cut] {
		if excess <= 0 || h.kept == 0 {
			break
		}
		h.topic.unpinAll()
		excess -= h.kept
	}
}

// topicUsage is what a topic holds.
type topicUsage struct {
	topic *Topic
	held  int64
	kept  int64 // of that, for those who are slow, when the log has been cut
}

// holding returns the topics that hold something, those that hold most first.
func (m *memory) holding() (all []topicUsage, total int64) {
	m.mu.Lock()
	all = make([]topicUsage, 0, len(m.holders))
	for t := range m.holders {
		all = append(all, topicUsage{topic: t})
	}
	m.mu.Unlock()
	for i := range all {
		t := all[i].topic
		t.mu.Lock()
		all[i].held = t.reported
		t.mu.Unlock()
		total += all[i].held
	}
	slices.SortFunc(all, func(a, b topicUsage) int { return cmp.Compare(b.held, a.held) })
	return all, total
}

// cut has the log of a topic forget its oldest, so that the topic holds no more bytes than so
// many, but for what is on its way. It returns how many bytes are free then. Who has yet to
// get some of what is forgotten finds a gap. What is kept for the slow is a part of the bytes,
// unless it is more: then it is not the log that is too large.
func (m *memory) cut(h *topicUsage, bytes uint64) (freed int64) {
	t := h.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.log.kept <= bytes {
		bytes -= t.log.kept
	}
	floor := t.boundLocked(t.log.next, unlimited, bytes)
	for _, sh := range t.shards {
		if sh.members > 0 {
			floor = min(floor, sh.cursor)
		}
	}
	messages, before := t.log.count, t.log.cost+t.log.kept
	t.log.trim(floor)
	t.reportLocked()
	m.shed.Add(int64(messages - t.log.count))
	h.kept = int64(t.log.kept)
	return int64(before) - int64(t.log.cost+t.log.kept)
}

// unpinAll has those who are slow lose what the topic keeps for them, in the next round of each
// shard.
func (t *Topic) unpinAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, sh := range t.shards {
		sh.mu.Lock()
		sh.unpin = true
		sh.mu.Unlock()
		sh.task.Schedule()
	}
}

// backlog is what a subscription that is behind has yet to get, as it counts for its
// connection.
type backlog struct {
	at    uint64 // log.end before the cursor
	bytes int64  // what counts now
}

// exceedsBacklog takes note that s, which is behind, has yet to get what its topic has published up to
// end. It reports whether that is too much for its connection, with what it has yet to get of
// other topics. Called within a round.
func (sh *shard) exceedsBacklog(s *Subscription, end uint64) (tooMuch bool) {
	l := s.lag
	bytes := max(0, int64(end-l.backlog.at))
	m, ok := s.to.(*Member)
	if !ok {
		return false // it has this topic only, which has its own limit
	}
	more := bytes - l.backlog.bytes
	l.backlog.bytes = bytes
	return m.draining().backlog.Add(more) > max(sh.topic.hub.opts.MaxBacklog, int64(sh.topic.opts.Limit.Bytes))
}

// reduceBacklog takes note that s is at another place: log.end was at before it.
func (s *Subscription) reduceBacklog(at uint64) {
	l := s.lag
	less := min(l.backlog.bytes, max(0, int64(at-l.backlog.at)))
	l.backlog.at = at
	l.backlog.bytes -= less
	if m, ok := s.to.(*Member); ok && less > 0 {
		m.draining().backlog.Add(-less)
	}
}

// clearBacklog takes note that s has nothing to get any more.
func (s *Subscription) clearBacklog() {
	if l := s.lag; l != nil {
		s.reduceBacklog(l.backlog.at + uint64(l.backlog.bytes))
	}
}
