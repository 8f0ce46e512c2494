package hub

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The first byte of the keys of people in a node's state. They sort after nodeKey.
const (
	keyOfUser      = 'u'
	keyOfAnonymous = 'v'
)

// maxPeerData is the largest Identity.Data of a node that is one of Peers: the state takes no larger
// values.
const maxPeerData = 60 << 10

// key returns the key under which a node's state has its part.
func (a *attendance) key() string {
	kind := keyOfUser
	if a.who.anonymous {
		kind = keyOfAnonymous
	}
	return string(kind) + a.topic + "\x00" + a.who.id
}

// parseKey is the opposite of key.
func parseKey(key string) (topic string, who personKey, ok bool) {
	if key == "" || key[0] != keyOfUser && key[0] != keyOfAnonymous {
		return "", who, false
	}
	who.anonymous = key[0] == keyOfAnonymous
	topic, who.id, ok = strings.Cut(key[1:], "\x00")
	return topic, who, ok
}

// publishLocked tells the peers this node's part.
func (r *roster) publishLocked(a *attendance) {
	p := &a.own
	if p.connections == 0 && !p.keeps {
		r.node.peers.SetState(a.key(), nil)
		return
	}
	data, flags := p.data, byte(0)
	if p.connections == 0 {
		data = a.told
	}
	if p.keeps {
		flags = 1
	}
	b := append(make([]byte, 0, 16+len(data)), flags)
	b = binary.AppendUvarint(b, uint64(p.connections))
	b = binary.AppendUvarint(b, uint64(p.grace/time.Millisecond))
	r.node.peers.SetState(a.key(), append(b, data...))
}

// parsePart parses what publishLocked has written.
func parsePart(b []byte) (p part, err error) {
	if len(b) < 3 {
		return p, fmt.Errorf("hub: a part has %d bytes", len(b))
	}
	p.keeps = b[0]&1 != 0
	n, size := binary.Uvarint(b[1:])
	grace, size2 := binary.Uvarint(b[1+max(size, 0):])
	const most = 1 << 24
	if size <= 0 || size2 <= 0 || n > most || grace > 1<<31 {
		return p, fmt.Errorf("hub: the part %x cannot be read", b[:min(len(b), 32)])
	}
	p.connections, p.grace = int(n), time.Duration(grace)*time.Millisecond
	if data := b[1+size+size2:]; len(data) > 0 {
		p.data = data
	}
	return p, nil
}

// peerChanged takes an entry of a peer's state.
func (r *roster) peerChanged(peer uint64, key string, value []byte) {
	topic, who, ok := parseKey(key)
	if r == nil || !ok {
		return
	}
	var p part
	if value != nil {
		var err error
		if p, err = parsePart(value); err != nil {
			value = nil // it is from a later version
		}
	}
	p.peer = peer
	r.mu.Lock()
	a := r.replaceLocked(topic, who, p, value != nil)
	if a == nil {
		r.mu.Unlock()
		return
	}
	c := r.farChangeLocked(a)
	r.mu.Unlock()
	r.hub.apply(c)
}

// replaceLocked replaces the part of a peer, or removes it. It returns nil if nothing has changed,
// because there was none, or there is no room.
func (r *roster) replaceLocked(topic string, who personKey, p part, is bool) *attendance {
	a := r.topics[topic][who]
	var old *part
	if a != nil {
		old = a.part(p.peer)
	}
	switch {
	case !is && old == nil:
		return nil
	case !is:
		r.hub.presentBytes.Add(-a.weight(old))
		a.removePart(p.peer)
	case old != nil:
		r.hub.presentBytes.Add(a.weight(&p) - a.weight(old))
		*old = p
	default:
		if !r.hub.admitFar((&attendance{topic: topic, who: who}).weight(&p)) {
			return nil
		}
		a = r.attendanceLocked(topic, who)
		a.parts = append(a.parts, p)
	}
	if p.keeps {
		r.keptLocked(a, p.peer)
	}
	r.changedLocked(a)
	return a
}

// farChange is the number of a person's connections at other nodes.
type farChange struct {
	topic string
	who   personKey
	far   int
	data  json.RawMessage
}

func (r *roster) farChangeLocked(a *attendance) farChange {
	n, data := a.far()
	return farChange{a.topic, a.who, n, data}
}

// apply tells a topic that is here what has changed elsewhere. Only the goroutine of the broker calls
// it, so the last call has the last number.
func (h *Hub) apply(c farChange) {
	if t := h.lookup(c.topic); t != nil && t.presence != nil {
		t.presence.setFar(c)
	}
}

// peerGone removes all parts of a peer.
func (r *roster) peerGone(peer uint64) {
	if r == nil {
		return
	}
	first := r.node.isFirst()
	var all []farChange
	r.mu.Lock()
	for _, people := range r.topics {
		for _, a := range people {
			if p := a.part(peer); p != nil {
				r.loseLocked(a, *p, first)
				all = append(all, r.farChangeLocked(a))
			} else if a.orphan { // the one that had to replace its keeper may have ended
				r.inheritLocked(a, &part{data: a.data()}, first)
				r.changedLocked(a)
			}
		}
	}
	r.mu.Unlock()
	for _, c := range all {
		r.hub.apply(c)
	}
}

// loseLocked removes the part of a peer that has ended.
func (r *roster) loseLocked(a *attendance, lost part, first bool) {
	r.hub.presentBytes.Add(-a.weight(&lost))
	a.removePart(lost.peer)
	a.orphan = a.orphan || lost.keeps && !a.kept()
	r.inheritLocked(a, &lost, first)
	r.changedLocked(a)
}

// kept reports whether a node is the keeper.
func (a *attendance) kept() bool {
	return a.own.keeps || slices.ContainsFunc(a.parts, func(p part) bool { return p.keeps })
}
