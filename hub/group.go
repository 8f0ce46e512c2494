package hub

import (
	"sync"

	"github.com/fanfare-ws/fanfare/wsproto"
)

const (
	// maxPending is how many bytes wait for a group before publishers have to.
	// Each message counts entryCost more than its length, so that empty ones
	// are bounded too: a batch has at most 1,024 of them.
	maxPending = 8 << 20
	entryCost  = 128
	// maxBatch is how many bytes are joined to one write.
	maxBatch = 128 << 10
	// runLength is how many subscribers a walk copies at a time.
	runLength = 64
	// maxSpare is the largest queue that is kept for reuse, in messages.
	maxSpare = 4096
)

// group is those subscribers of a topic that belong to one loop.
type group struct {
	topic *Topic
	task  Task

	mu      sync.Mutex
	list    []*Subscription
	holes   int     // nil places in list, made during a walk
	pending []entry // published, not yet taken by a walk
	bytes   int     // in pending
	walking bool
	walked  *sync.Cond // a walk has ended
	spare   []entry    // for pending, when a walk has taken it
}

// entry is a message on its way.
type entry struct {
	p      *wsproto.Prepared
	number uint64
	except *Subscription // its publisher, who does not want it; or nil
}

func (e entry) cost() int { return e.p.Len() + entryCost }

func newGroup(t *Topic, i int) *group {
	g := &group{topic: t}
	g.walked = sync.NewCond(&g.mu)
	g.task = t.hub.newTask(i, g.walk)
	return g
}

func (g *group) add(s *Subscription) {
	g.mu.Lock()
	s.slot = int32(len(g.list))
	g.list = append(g.list, s)
	g.mu.Unlock()
}

func (g *group) remove(s *Subscription) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.walking {
		g.list[s.slot] = nil
		g.holes++
		return
	}
	g.fillLocked(int(s.slot))
}

// fillLocked puts the last subscriber in place i.
func (g *group) fillLocked(i int) {
	last := len(g.list) - 1
	if g.list[i] = g.list[last]; g.list[i] != nil {
		g.list[i].slot = int32(i)
	}
	g.list[last] = nil
	g.list = g.list[:last]
	if cap(g.list) > 64 && len(g.list) < cap(g.list)/4 {
		g.list = append(make([]*Subscription, 0, 2*len(g.list)), g.list...)
	}
}

// put appends a message and schedules its delivery. It reports whether the
// publisher has to help: too much is pending. Called under Topic.mu, so the order
// is that of the numbers.
func (g *group) put(e entry) (full bool) {
	g.mu.Lock()
	if len(g.list) == g.holes {
		g.mu.Unlock()
		return false
	}
	g.pending = append(g.pending, e)
	g.bytes += e.cost()
	full = g.bytes > maxPending
	g.mu.Unlock()
	g.task.Schedule()
	return full
}

// help returns when there is room for more: it walks itself, or waits for a walk.
func (g *group) help() {
	g.mu.Lock()
	for g.bytes > maxPending {
		if g.walking {
			g.walked.Wait()
			continue
		}
		g.walkLocked()
	}
	rest := len(g.pending) > 0
	g.mu.Unlock()
	if rest { // the task may have come and gone while this was the walk
		g.task.Schedule()
	}
}

// walk delivers what is pending. It is the group's task.
func (g *group) walk() {
	g.mu.Lock()
	for !g.walking && len(g.pending) > 0 {
		g.walkLocked()
	}
	g.mu.Unlock()
}

// walkLocked takes a batch and hands it to every subscriber. g.mu is released
// meanwhile; walking keeps others from doing the same.
func (g *group) walkLocked() {
	g.walking = true
	entries := g.takeLocked()
	g.mu.Unlock()
	b := newBatch(entries, g)
	delivered := g.deliver(b)
	b.mark(g, false)
	g.topic.hub.delivered.Add(delivered)
	clear(entries)
	g.mu.Lock()
	if cap(entries) <= maxSpare {
		g.spare = entries[:0]
	}
	g.walking = false
	g.closeHolesLocked()
	if g.bytes <= maxPending {
		g.walked.Broadcast()
	}
}

// takeLocked takes from the front of what is pending: all, or maxBatch bytes.
func (g *group) takeLocked() []entry {
	n, size := 0, 0
	for n < len(g.pending) && (n == 0 || size+g.pending[n].cost() <= maxBatch) {
		size += g.pending[n].cost()
		n++
	}
	g.bytes -= size
	if n == len(g.pending) {
		taken := g.pending
		g.pending, g.spare = g.spare, nil
		return taken
	}
	taken := append(g.spare, g.pending[:n]...)
	g.spare = nil
	rest := copy(g.pending, g.pending[n:])
	clear(g.pending[rest:])
	g.pending = g.pending[:rest]
	return taken
}

func (g *group) closeHolesLocked() {
	if g.holes == 0 {
		return
	}
	for i := len(g.list) - 1; i >= 0; i-- {
		if g.list[i] == nil {
			g.fillLocked(i)
		}
	}
	g.holes = 0
}

// deliver walks the list. Who subscribes meanwhile stands at its end and wants
// nothing of the batch.
func (g *group) deliver(b *batch) (delivered int64) {
	var run [runLength]*Subscription
	for i := 0; ; i += runLength {
		g.mu.Lock()
		n := copy(run[:], g.list[min(i, len(g.list)):])
		g.mu.Unlock()
		if n == 0 {
			return delivered
		}
		for _, s := range run[:n] {
			if s != nil && s.from < b.last && !s.gone.Load() {
				delivered += g.hand(s, b)
			}
		}
	}
}

// hand gives one subscriber its part of the batch.
func (g *group) hand(s *Subscription, b *batch) (delivered int64) {
	p := b.all
	if s.skip || s.from >= b.first {
		if p = b.without(s); p == nil {
			return 0
		}
	}
	switch o := s.to.SendPrepared(p); {
	case o.OK():
		return int64(p.Messages())
	case o == wsproto.Full && p.Messages() > 1:
		return g.handSingly(s, b)
	case o == wsproto.Full:
		g.evict(s)
	}
	return 0
}

// handSingly gives one subscriber, for whom the batch is too much, as many of its
// messages as it has room for.
func (g *group) handSingly(s *Subscription, b *batch) (delivered int64) {
	for _, e := range b.entries {
		if e.except == s || e.number <= s.from {
			continue
		}
		o := s.to.SendPrepared(e.p)
		if o == wsproto.Full {
			g.evict(s)
		}
		if !o.OK() {
			break
		}
		delivered++
	}
	return delivered
}

// evict ends a subscriber that does not take what it is sent.
func (g *group) evict(s *Subscription) {
	s.from = ^uint64(0) // wants nothing more; only walks read it from now on
	g.topic.evicted.Add(1)
	g.topic.hub.evicted.Add(1)
	s.to.Close(wsproto.TryAgainLater, "too slow: the backlog is full")
}

// batch is what one walk delivers.
type batch struct {
	entries     []entry
	first, last uint64
	all         *wsproto.Prepared
}

func newBatch(entries []entry, g *group) *batch {
	b := &batch{entries: entries, first: entries[0].number, last: entries[len(entries)-1].number}
	if len(entries) == 1 {
		b.all = entries[0].p
	} else {
		ps := make([]*wsproto.Prepared, len(entries))
		for i, e := range entries {
			ps[i] = e.p
		}
		b.all = wsproto.Join(ps...)
	}
	b.mark(g, true)
	return b
}

// mark sets or clears the marks of those of the group who published one of the
// batch. Only the group's walk touches them.
func (b *batch) mark(g *group, skip bool) {
	for _, e := range b.entries {
		if e.except != nil && e.except.group == g {
			e.except.skip = skip
		}
	}
}

// without returns the part that s wants, nil if that is nothing.
func (b *batch) without(s *Subscription) *wsproto.Prepared {
	var ps []*wsproto.Prepared
	for _, e := range b.entries {
		if e.except != s && e.number > s.from {
			ps = append(ps, e.p)
		}
	}
	if len(ps) == 0 {
		return nil
	}
	return wsproto.Join(ps...)
}
