package hub

import (
	"maps"
	"slices"
	"time"
)

// drop forgets a topic if nobody needs it.
func (h *Hub) drop(t *Topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended && t.idleLocked() {
		h.endLocked(t)
		if t.remote != nil {
			h.node.broker.Leave(t.name)
		}
	}
}

// forget forgets a topic that could not be joined.
func (h *Hub) forget(t *Topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	h.endLocked(t)
}

func (h *Hub) endLocked(t *Topic) {
	t.ended = true
	t.reportLocked()
	t.presence.end()
	if h.topics[t.name] == t {
		delete(h.topics, t.name)
		h.index.remove(t)
		if t.pattern {
			h.patterns.remove(t.name)
			h.patternsAt.Add(1)
		}
	}
	h.disownLocked(t)
	delete(h.aging, t)
}

// maxRetiring is how many patterns are kept for their history alone.
const maxRetiring = 64

// retire keeps a pattern that nobody listens to any more for who comes back; the one
// that has waited longest ends, if there are too many. While messages come history does
// not run out, so patterns would pile up, and each message has to go to all that match.
func (h *Hub) retire(t *Topic) {
	h.mu.Lock()
	if i := slices.Index(h.retiring, t); i >= 0 {
		h.retiring = slices.Delete(h.retiring, i, i+1)
	}
	h.retiring = append(h.retiring, t)
	var oldest *Topic
	if len(h.retiring) > maxRetiring {
		oldest = h.retiring[0]
		h.retiring = slices.Delete(h.retiring, 0, 1)
	}
	h.mu.Unlock()
	if oldest == nil {
		return
	}
	oldest.mu.Lock()
	oldest.retired = oldest.count == 0
	oldest.mu.Unlock()
	h.drop(oldest)
}

// sweepEvery is how often history is looked through for what is too old. It is not
// what makes it so: nobody gets it, but memory is held.
const sweepEvery = 5 * time.Second

func (h *Hub) sweepLaterLocked() {
	if h.sweeper == nil {
		h.sweeper = time.AfterFunc(sweepEvery, h.sweep)
	}
}

func (h *Hub) sweep() {
	h.mu.Lock()
	all := slices.Collect(maps.Keys(h.aging))
	h.sweeper = nil
	if len(all) > 0 {
		h.sweepLaterLocked()
	}
	h.mu.Unlock()
	for _, t := range all {
		if t.sweep() {
			h.drop(t)
		}
	}
}
