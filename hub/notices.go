package hub

import (
	"context"
	"sync"
)

// notices are what the hub tells the program: Options.OnOccupied and OnPresence. They are added in
// the order of the events, under the lock that orders these, and told by one goroutine, which
// exists while there are any and holds no lock meanwhile. A topic is in the list at most once, and
// presence adds one notice in 100 ms for each topic, so a list that is too long means that the
// program's functions block.
type notices struct {
	mu      sync.Mutex // taken after all other locks
	waiting []notice
	running bool
}

// notice is one of three things: the topic may have become occupied or vacated, people have joined
// or left it, or all notices before this one have been told.
type notice struct {
	topic        *Topic
	name         string // of the topic, in place of topic, which may not be here
	joined, left []Person
	told         chan<- struct{}
}

func (h *Hub) notify(n notice) {
	q := &h.notices
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, n)
	if !q.running {
		q.running = true
		go h.tellNotices()
	}
}

func (h *Hub) tellNotices() {
	q := &h.notices
	for {
		q.mu.Lock()
		batch := q.waiting
		q.waiting = nil
		if q.running = len(batch) > 0; !q.running {
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		for i := range batch {
			h.tellNotice(&batch[i])
		}
	}
}

func (h *Hub) tellNotice(n *notice) {
	switch {
	case n.told != nil:
		close(n.told)
	case n.name != "":
		h.opts.OnPresence(n.name, n.joined, n.left)
	case len(n.joined)+len(n.left) > 0:
		h.opts.OnPresence(n.topic.name, n.joined, n.left)
	default:
		if occupied, changed := n.topic.tellOccupied(); changed {
			h.opts.OnOccupied(n.topic.name, occupied)
		}
	}
}

// awaitNotices waits until all that has happened before has been told, or ctx is done.
func (h *Hub) awaitNotices(ctx context.Context) {
	if h.opts.OnOccupied == nil && h.opts.OnPresence == nil {
		return
	}
	told := make(chan struct{})
	h.notify(notice{told: told})
	select {
	case <-told:
	case <-ctx.Done():
	}
}

// countedLocked is called when the number of subscribers has changed.
func (t *Topic) countedLocked() {
	if t.hub.opts.OnOccupied == nil || t.noticed || t.presenceTopic || (t.count > 0) == t.occupied {
		return
	}
	t.noticed = true
	t.hub.notify(notice{topic: t})
}

// tellOccupied returns whether the topic has subscribers, and whether that is news to the program.
func (t *Topic) tellOccupied() (occupied, changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.noticed = false
	occupied = t.count > 0
	changed = occupied != t.occupied
	t.occupied = occupied
	return occupied, changed
}
