package webhook

import (
	"bytes"
	"time"
)

// holding are the events that are held because their opposites may follow. It is guarded by Webhooks.mu.
type holding struct {
	byKey map[holdKey]*held
	order []*held // by due; those that have been cancelled are still in it
	first int     // of those in order that have not been released
	bytes int
	timer *time.Timer
}

// holdKey is what the event is about: a topic, or a person in one.
type holdKey struct {
	kind      kind
	topic     string
	id        string
	anonymous bool
}

type held struct {
	event     *event
	due       time.Time
	cancelled bool
}

// keyOf returns the key of an event and of its opposite.
func keyOf(e *event) holdKey {
	k := holdKey{kind: e.kind &^ 1, topic: e.Topic}
	if e.Person != nil {
		k.id, k.anonymous = e.Person.ID, e.Person.Anonymous
	}
	return k
}

// weight returns about how much memory a held event takes.
func (e *event) weight() int {
	n := 400 + len(e.Topic)
	if e.Person != nil {
		n += len(e.Person.ID) + len(e.Person.Data)
	}
	return n
}

// holdLocked holds an event, and releases the oldest ones if too many are held.
func (w *Webhooks) holdLocked(o *inForce, e *event) {
	h := &w.holding
	if h.byKey[keyOf(e)] != nil {
		return // it says the same
	}
	one := &held{event: e, due: time.Now().Add(o.HoldEnds)}
	h.byKey[keyOf(e)] = one
	h.order = append(h.order, one)
	h.bytes += e.weight()
	for len(h.order)-h.first > o.MaxQueue || h.bytes > o.MaxQueueBytes {
		w.releaseFirstLocked(o)
	}
	if h.timer == nil {
		h.timer = time.AfterFunc(o.HoldEnds, w.release)
	}
}

// cancelLocked takes the opposite of an event out of what is held, and reports whether there was one that makes the event
// unnecessary.
func (w *Webhooks) cancelLocked(e *event) bool {
	h := &w.holding
	one := h.byKey[keyOf(e)]
	if one == nil {
		return false
	}
	delete(h.byKey, keyOf(e))
	was := one.event
	h.bytes -= was.weight()
	one.event, one.cancelled = nil, true
	w.stats.Coalesced++
	if e.kind == joined && !bytes.Equal(was.Person.Data, e.Person.Data) {
		return false
	}
	w.stats.Coalesced++
	return true
}

// releaseFirstLocked queues the event that has been held for longest.
func (w *Webhooks) releaseFirstLocked(o *inForce) {
	h := &w.holding
	one := h.order[h.first]
	h.order[h.first] = nil
	if h.first++; h.first == len(h.order) {
		h.order, h.first = nil, 0
	} else if h.first > 64 && h.first > len(h.order)/2 {
		h.order = append([]*held(nil), h.order[h.first:]...)
		h.first = 0
	}
	if one.cancelled {
		return
	}
	delete(h.byKey, keyOf(one.event))
	h.bytes -= one.event.weight()
	w.queueLocked(o, one.event)
}

// release queues the events that have been held for long enough. It is the function of the timer.
func (w *Webhooks) release() {
	o := w.options.Load()
	w.mu.Lock()
	defer w.mu.Unlock()
	h := &w.holding
	now := time.Now()
	for h.first < len(h.order) && (h.order[h.first].cancelled || !now.Before(h.order[h.first].due)) {
		w.releaseFirstLocked(o)
	}
	h.timer = nil
	if h.first < len(h.order) && !w.closed {
		h.timer = time.AfterFunc(h.order[h.first].due.Sub(now), w.release)
	}
}

// releaseAllLocked queues all events that are held.
func (w *Webhooks) releaseAllLocked(o *inForce) {
	h := &w.holding
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
	for h.first < len(h.order) {
		w.releaseFirstLocked(o)
	}
}
