package hub

import "sync"

// passes reports whether the broker passes the messages of a topic with these options on without
// storing them.
func (n *brokerNode) passes(o *TopicOptions) bool {
	if !o.Unstored {
		return false
	}
	_, ok := n.broker.(Unstorer)
	return ok
}

// deliverUnstored delivers a message that is not stored. The rules of nodes may differ, so it may
// belong to a topic with the broker's positions, in which it has no place: that becomes local.
func (n *brokerNode) deliverUnstored(m *Envelope) {
	n.found = n.receivers(n.found[:0], m.Topic)
	if len(n.found) == 0 {
		n.exclude(m)
		return
	}
	r := n.record(m)
	for i, t := range n.found {
		for !t.deliverHere(r, Position{}) {
			n.strays.add(t.name)
			t.restartLocal()
		}
		n.found[i] = nil
	}
}

// deliverHere appends a message to a topic whose positions are this node's own. at is the broker's
// position of a stored message. It returns false if the topic has the broker's positions.
func (t *Topic) deliverHere(r *Record, at Position) bool {
	t.mu.Lock()
	remote := t.remote
	switch {
	case t.ended:
		t.mu.Unlock()
		return true
	case !remote.local:
		t.mu.Unlock()
		return false
	case at != Position{} && at.Epoch == remote.stored.Epoch && at.Offset <= remote.stored.Offset: // it came before
		t.mu.Unlock()
		return true
	}
	if (at != Position{}) {
		remote.stored = at
	}
	offset := t.log.last + 1
	if !t.pattern { // a pattern's offsets are not those of records
		if (at != Position{}) { // a pattern may have the record too
			r = &Record{Message: r.Message, Topic: r.Topic, at: r.at}
		}
		r.Offset = offset
	}
	full := t.appendLocked(r, offset, nil)
	t.mu.Unlock()
	for _, sh := range full {
		sh.help()
	}
	return true
}

// restartLocal lets the topic begin anew with positions of this node, since messages were lost, or
// cannot have the broker's. Its subscribers resume, and are told about the gap.
func (t *Topic) restartLocal() {
	t.mu.Lock()
	t.remote.local = true
	t.mu.Unlock()
	t.restart(Position{Epoch: t.hub.newEpoch()})
}

// restartUnstored lets all topics with positions of this node begin anew, after a lost connection.
func (n *brokerNode) restartUnstored() {
	for _, t := range n.hub.all() {
		t.mu.Lock()
		missed := t.remote.local && t.remote.begun
		t.mu.Unlock()
		if missed {
			t.restartLocal()
		}
	}
}

// strays are the names of topics and patterns that got messages that are not stored, though their
// options do not say so. Their positions remain this node's own, also if they end and begin anew:
// otherwise each such message would close their subscribers.
type strays struct {
	mu         sync.Mutex
	young, old map[string]struct{}
}

// maxStrays is how many names are remembered at least; there are never more than twice as many.
const maxStrays = 4096

func (s *strays) add(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.young == nil || len(s.young) >= maxStrays {
		s.old, s.young = s.young, make(map[string]struct{})
	}
	s.young[name] = struct{}{}
}

func (s *strays) has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, young := s.young[name]
	_, old := s.old[name]
	return young || old
}
