package hub

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
)

// roster is who is in which topic at all nodes that are [Peers]: the part of this node, which the
// others learn, and theirs. A topic that has subscribers here gets the sum of the others' parts, and
// announces to its subscribers who has come and gone. The parts of topics that are not here are held
// in the roster alone, until the topic begins.
//
// The roster also tells the program, with Options.OnPresence, once in the cluster: see
// roster_notices.go.
type roster struct {
	hub  *Hub
	node *brokerNode

	mu      sync.Mutex // after presence.mu
	topics  map[string]map[personKey]*attendance
	pending map[*attendance]time.Time // what this node has to tell the program, and when
	told    time.Time                 // when the timer fired last
	timer   *time.Timer               // created when something is pending for the first time
	at      time.Time                 // when the timer fires; zero if it is not running
}

// attendance is a person in a topic, at all nodes.
type attendance struct {
	topic   string
	who     personKey
	own     part
	parts   []part          // of the peers
	present bool            // some part has connections
	since   time.Time       // present is what it is
	orphan  bool            // the keeper has ended, and the node that must replace it has not done so yet
	told    json.RawMessage // the data that the program was told, if own.keeps
}

// part is a person's connections to a topic at one node.
type part struct {
	peer        uint64
	connections int
	keeps       bool          // the node is the keeper: it tells its program when the person has left
	grace       time.Duration // of the topic
	data        json.RawMessage
}

// partWeight is the memory for a part of a peer besides names and data, in bytes.
const partWeight = 384

func newRoster(n *brokerNode) *roster {
	if n.peers == nil {
		return nil
	}
	return &roster{hub: n.hub, node: n, topics: make(map[string]map[personKey]*attendance), pending: make(map[*attendance]time.Time)}
}

// set sets this node's part. The caller holds presence.mu.
func (r *roster) set(t *Topic, x *person) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.attendanceLocked(t.name, personKey{x.ID, x.Anonymous})
	a.own.connections, a.own.grace = x.Connections, max(t.opts.PresenceGrace, 0)
	if x.Connections > 0 {
		a.own.data = x.Data
	}
	r.publishLocked(a)
	r.changedLocked(a)
}

// attendanceLocked returns the attendance of a person, which it creates if there is none.
func (r *roster) attendanceLocked(topic string, who personKey) *attendance {
	people := r.topics[topic]
	a := people[who]
	if a != nil {
		return a
	}
	if people == nil {
		topic = strings.Clone(topic)
		people = make(map[personKey]*attendance)
		r.topics[topic] = people
	}
	a = &attendance{topic: topic, who: who}
	people[who] = a
	return a
}

// changedLocked is called after a part has changed.
func (r *roster) changedLocked(a *attendance) {
	if present := a.connections() > 0; present != a.present {
		a.present, a.since = present, r.hub.opts.Now()
	}
	r.considerLocked(a)
	if a.own.connections > 0 || a.own.keeps || len(a.parts) > 0 {
		return
	}
	people := r.topics[a.topic]
	delete(people, a.who)
	delete(r.pending, a)
	if len(people) == 0 {
		delete(r.topics, a.topic)
	}
}

// connections returns the number of connections at all nodes.
func (a *attendance) connections() int {
	n, _ := a.far()
	return n + a.own.connections
}

// far returns the number of connections at other nodes, and the data of one of them.
func (a *attendance) far() (connections int, data json.RawMessage) {
	for i := range a.parts {
		p := &a.parts[i]
		if p.connections > 0 && connections == 0 {
			data = p.data
		}
		connections += p.connections
	}
	return connections, data
}

// data returns the data of a connection.
func (a *attendance) data() json.RawMessage {
	if a.own.connections > 0 {
		return a.own.data
	}
	_, data := a.far()
	return data
}

// part returns the part of a peer, nil if there is none.
func (a *attendance) part(peer uint64) *part {
	if i := slices.IndexFunc(a.parts, func(p part) bool { return p.peer == peer }); i >= 0 {
		return &a.parts[i]
	}
	return nil
}

func (a *attendance) removePart(peer uint64) {
	a.parts = slices.DeleteFunc(a.parts, func(p part) bool { return p.peer == peer })
}

// weight is what a part of a peer counts for Options.MaxPresence.
func (a *attendance) weight(p *part) int64 {
	return int64(partWeight + len(a.topic) + len(a.who.id) + len(p.data))
}

// people returns the people in a topic, sorted.
func (r *roster) people(topic string) []Person {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Person
	for who, a := range r.topics[topic] {
		if n := a.connections(); n > 0 {
			all = append(all, Person{ID: who.id, Anonymous: who.anonymous, Data: a.data(), Connections: n})
		}
	}
	sortPeople(all)
	return all
}

// adopt adds the people at other nodes to a topic that begins here. Nobody here has to be told that
// they have come. It is called under Hub.mu.
func (r *roster) adopt(p *presence) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for who, a := range r.topics[p.topic.name] {
		if n, data := a.far(); n > 0 {
			x := &person{Person: Person{ID: who.id, Anonymous: who.anonymous, Data: data}, far: int32(n), told: true, toldData: data}
			p.people[who] = x
		}
	}
}

// sortAttendances sorts by topic.
func sortAttendances(all []*attendance) {
	slices.SortFunc(all, func(a, b *attendance) int { return cmp.Compare(a.topic, b.topic) })
}
