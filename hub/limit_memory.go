package hub

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// memory is the memory that the logs of all topics hold: history, and messages that wait for
// slow subscribers, including messages that subscriptions keep after the log has dropped them. A
// topic reports how much its log holds at the end of a fan-out pass. So messages that all
// subscribers take at once cost no access to state that topics share.
type memory struct {
	limit    int64
	held     atomic.Int64
	shed     atomic.Int64 // messages that were dropped because of the limit
	passes   atomic.Int64 // searches of all topics for messages to drop
	next     atomic.Int64 // messages are dropped beyond this: limit, or more if the last search freed too little
	shedding atomic.Bool

	mu      sync.Mutex          // taken after Topic.mu
	holders map[*Topic]struct{} // topics that hold something
}

// reportLocked reports to the hub how much the topic holds.
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

// add counts bytes, and makes topics drop messages if they hold more than the limit.
func (m *memory) add(bytes int64) {
	held := m.held.Add(bytes)
	if bytes > 0 {
		m.start()
	} else if next := m.nextAt(held); m.next.Load() > next {
		m.next.Store(next)
	}
}

// nextAt returns the amount beyond which messages are dropped, given that held bytes are held
// and none of them can be dropped now. A search looks at all topics, so the next one waits until
// a sixteenth of the limit has been added, or something has been freed.
func (m *memory) nextAt(held int64) int64 {
	if held <= m.limit {
		return m.limit
	}
	return held + m.limit/16
}

// start makes topics drop messages in a goroutine, until the total is below the limit or a
// search frees nothing.
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
		m.start() // for messages that were added before shedding was false
	}()
}

// level makes the topics that hold most drop their oldest messages, and then the pinned backlogs
// of their slow subscribers, down to a level at which an eighth of the limit is free again.
func (m *memory) level() {
	all, total := m.holding()
	excess := total - (m.limit - m.limit/8)
	cut, above := 0, int64(0) // the first cut topics hold above bytes, and are cut to one level
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

// topicUsage is how much a topic holds.
type topicUsage struct {
	topic *Topic
	held  int64
	kept  int64 // the part that slow subscribers keep after the log was cut
}

// holding returns the topics that hold something, in descending order of how much they hold.
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

// cut drops the oldest messages from the log of a topic, so that the topic holds at most the
// given bytes in addition to messages on their way. It returns how many bytes that has freed. A
// subscriber that has yet to get a dropped message finds a gap. The messages that slow
// subscribers keep are part of the bytes, unless they exceed them: then the log is not what is
// too large.
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

// unpinAll drops the backlogs that the topic keeps for slow subscribers, in the next pass of
// each shard.
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
