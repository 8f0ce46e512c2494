package hub

import (
	"maps"
	"slices"
	"time"
)

// drop ends a topic if it is idle: see Topic.idleLocked.
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

// unlockAndDrop reports the memory of the log to the hub, and unlocks mu. If the topic is idle, it
// drops the topic and returns true.
func (t *Topic) unlockAndDrop() (dropped bool) {
	t.reportLocked()
	idle := t.idleLocked()
	t.mu.Unlock()
	if idle {
		t.hub.drop(t)
	}
	return idle
}

// forget ends a topic that could not be joined.
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

// maxRetiring is how many patterns without subscribers are kept for their history.
const maxRetiring = 64

// retire keeps a pattern that has lost its last subscriber, for subscribers that resume. If
// there are too many such patterns, the one that lost its subscribers first ends. History does
// not expire while messages are published, so without a limit patterns would accumulate, and
// each message must be appended to all patterns that match.
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

// sweepEvery is the interval at which history is searched for messages that are too old. It only
// frees their memory: no subscriber gets a message that is too old, swept or not.
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

// sweep drops messages that are too old, and reports whether the topic can be removed too.
func (t *Topic) sweep() (idle bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trimLocked()
	if t.laggards == 0 {
		t.log.forgetBatches()
	}
	t.reportLocked()
	return t.idleLocked()
}
