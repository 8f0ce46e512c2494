package hub

import "sync"

const (
	// maxPending is how many bytes wait for a group before publishers have to.
	maxPending = 8 << 20
	// runLength is how many subscribers a walk copies at a time.
	runLength = 64
	// maxFresh is the cost of a batch from which on a walk leaves what comes meanwhile to
	// the next.
	maxFresh = 48 << 10
)

// group is those subscribers of a topic that belong to one loop. Its walk alone
// touches what they have got so far, and hands them more.
type group struct {
	topic *Topic
	task  Task
	loop  int

	// Guarded by Topic.mu.
	members int
	cursor  uint64 // number of the first message that no walk has handed out
	taken   uint64 // the same, but that the walk under way counts as done
	at      uint64 // Topic.log.end before cursor

	mu      sync.Mutex
	list    []*Subscription
	due     []*Subscription // behind, and drained
	left    []*leave        // of those in list that have left in the round under way
	walking bool            // a round is under way
	lapses  bool            // what is kept for the slow is too much: see letGo
	walked  *sync.Cond      // a round of a walk has ended; made when somebody waits
}

func newGroup(t *Topic, loop int) *group {
	g := &group{topic: t, loop: loop}
	g.task = t.hub.opts.Workers.NewTask(loop, g)
	return g
}

// skipLocked passes over what nobody waits for. Called under Topic.mu.
func (g *group) skipLocked() {
	l := &g.topic.log
	g.cursor, g.taken, g.at = l.next, l.next, l.end
}

func (g *group) add(s *Subscription) {
	g.mu.Lock()
	s.slot = int32(len(g.list))
	g.list = append(g.list, s)
	g.mu.Unlock()
}

// fillLocked puts the last subscriber in place i.
func (g *group) fillLocked(i int) {
	last := len(g.list) - 1
	g.list[i] = g.list[last]
	g.list[i].slot = int32(i)
	g.list[last] = nil
	g.list = g.list[:last]
	if cap(g.list) > 64 && len(g.list) < cap(g.list)/4 {
		g.list = append(make([]*Subscription, 0, 2*len(g.list)), g.list...)
	}
}

// appendAll appends the subscribers that have not left.
func (g *group) appendAll(all []*Subscription) []*Subscription {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.list {
		if !s.gone() {
			all = append(all, s)
		}
	}
	return all
}

// Schedule is called when the subscriber has drained. It makes a *Subscription a Task.
func (s *Subscription) Schedule() {
	g := s.group
	g.mu.Lock()
	g.due = append(g.due, s)
	g.mu.Unlock()
	g.task.Schedule()
}

// help returns when there is room for more: it walks itself, or waits for the walk
// under way.
func (g *group) help() {
	more := false
	for g.full() {
		g.mu.Lock()
		if g.walking {
			g.waitLocked()
			g.mu.Unlock()
			continue
		}
		g.mu.Unlock()
		more = g.round()
	}
	if more { // the task may have come and gone while this was the walk
		g.task.Schedule()
	}
}

// waitLocked waits for the end of the round under way.
func (g *group) waitLocked() {
	if g.walked == nil {
		g.walked = sync.NewCond(&g.mu)
	}
	g.walked.Wait()
}

func (g *group) full() bool {
	t := g.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	return g.members > 0 && t.log.end-g.at > maxPending
}

// Run delivers what is due. It is what the group's task does.
func (g *group) Run() {
	for g.round() {
	}
}

// round hands out the next batch, after some of those who are behind and have
// drained got theirs. It reports whether there is more to do, unless another does it.
func (g *group) round() (more bool) {
	g.mu.Lock()
	if g.walking {
		g.mu.Unlock()
		return false
	}
	g.walking = true
	due, lapses := g.takeDueLocked(), g.lapses
	g.lapses = false
	g.mu.Unlock()
	for _, s := range due {
		g.catchUp(s)
	}
	if lapses {
		g.letGo()
	}
	lap := g.next()
	if lap.batch != nil {
		g.topic.hub.delivered.Add(g.deliver(lap))
	}
	return g.end(lap)
}

func (g *group) takeDueLocked() []*Subscription {
	n := min(len(g.due), runLength)
	due := g.due[:n:n]
	if g.due = g.due[n:]; len(g.due) == 0 {
		g.due = nil
	}
	return due
}

// handout is a batch on its way to a group: what the whole group gets in this walk.
type handout struct {
	*batch
	cursor uint64 // of the group, before it
	limit  uint64 // who has not come so far when it is handed out lags behind too much
	oldest uint64 // who has not come so far finds a gap
}

// next takes the next batch.
func (g *group) next() (b handout) {
	t := g.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	b.batch, b.cursor = t.log.readOn(g.cursor), g.cursor
	if b.batch == nil {
		g.skipLocked()
		return b
	}
	g.taken = b.next
	if t.laggards > 0 {
		b.limit, b.oldest = t.limitLocked(b.next), t.log.oldest()
	}
	return b
}

// end ends a round. What is published, drained or given up from here on has the task
// scheduled and finds no walk under way; what was before is seen here: so it is one
// step.
func (g *group) end(b handout) (more bool) {
	t := g.topic
	t.mu.Lock()
	g.mu.Lock()
	if b.batch != nil && b.next > g.cursor {
		g.cursor, g.at = b.next, b.end
	}
	left := g.left
	g.left = nil
	for _, l := range left {
		g.detachLocked(l)
	}
	g.walking = false
	if g.walked != nil {
		g.walked.Broadcast()
	}
	more = g.members > 0 && g.cursor < t.log.next || len(g.due) > 0 || g.lapses
	g.mu.Unlock()
	t.trimLocked()
	t.reportLocked()
	idle := t.idleLocked()
	t.mu.Unlock()
	if idle {
		t.hub.drop(t)
	}
	for _, l := range left {
		if l.nothing {
			l.ended(true)
		}
	}
	return more
}

// deliver walks the list. Who subscribes meanwhile stands at its end, where the walk
// may come or not: who wants some of the batch begins behind.
func (g *group) deliver(lap handout) int64 {
	var buf [runLength]*Subscription
	run, w := buf[:g.topic.hub.runLength], walk{group: g, lap: lap, all: lap.batch, look: 1, burst: bursts.Get().(*burst)}
	for i := 0; ; i++ {
		g.mu.Lock()
		n := copy(run, g.list[min(i*len(run), len(g.list)):])
		g.mu.Unlock()
		if n == 0 {
			bursts.Put(w.burst)
			return w.delivered
		}
		w.freshen(i)
		for _, s := range run[:n] {
			switch {
			case s.gone():
				s.flags.Or(flagPassed) // the end of the round sees to what it has yet to get
			case s.behind():
				g.watch(s, lap)
			case s.cursor < w.all.next:
				w.hand(s)
			}
		}
		w.send()
	}
}
