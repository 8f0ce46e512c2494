package hub

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"
)

// presence is the people in a topic. Clients that want to know them subscribe to the topic's
// presenceTopic, whose messages are the events. So events arrive in order, at slow subscribers
// too. The list with which a client begins contains only changes that have been sent as events
// before, so the list and the later events fit together.
type presence struct {
	topic *Topic

	telling sync.Mutex // before Topic.mu: an event is created and published
	events  *Topic     // the presenceTopic; created for its first subscriber
	list    []Person   // the people present according to the events; nil if it must be rebuilt

	mu      sync.Mutex // after Topic.mu
	people  map[personKey]*person
	pending map[*person]struct{} // people with a change to announce, now or later
	told    time.Time            // time of the last event
	timer   *time.Timer          // created when a change is pending for the first time
	at      time.Time            // when the timer fires; zero if it is not running
	ended   bool
}

type personKey struct {
	id        string
	anonymous bool
}

type person struct {
	Person   // Connections is kept up to date
	since    time.Time
	far      int32           // connections at other nodes
	told     bool            // there is an event that the person has joined, and none after it
	toldData json.RawMessage // in that event
}

func newPresence(t *Topic) *presence {
	return &presence{topic: t, people: make(map[personKey]*person), pending: make(map[*person]struct{})}
}

const (
	// tellEvery is the least time between two events of a topic: what happens between them is told
	// in one.
	tellEvery = 100 * time.Millisecond
	// maxTold is about how many bytes of people one message tells; the next follows at once.
	maxTold = 32 << 10
)

// ErrNoPresence is wrapped by errors for topics without TopicOptions.Presence.
var ErrNoPresence = errors.New("hub: presence is not enabled for topic")

func (p *presence) forgetLocked(x *person) {
	delete(p.people, personKey{x.ID, x.Anonymous})
	p.topic.hub.presentBytes.Add(-x.weight())
}

// here reports whether the person is present, at whatever node.
func (x *person) here() bool { return x.Connections > 0 || x.far > 0 }

// weight is what the person counts for at this node. Those who are only at others count there: see
// attendance.weight.
func (x *person) weight() int64 {
	if x.Connections == 0 && x.far > 0 {
		return 0
	}
	return presentWeight(x.Person)
}

// personWeight is the memory for a person besides name and data, in bytes.
const personWeight = 256

// presentWeight is what a present person counts for, in bytes.
func presentWeight(who Person) int64 { return int64(len(who.ID) + len(who.Data) + personWeight) }

// due returns when the pending change of x should be announced.
func (p *presence) due(x *person) time.Time {
	if x.here() {
		return x.since.Add(tellEvery)
	}
	return x.since.Add(p.topic.opts.PresenceGrace)
}

// takeDue returns the people to announce now: all that have joined, however recently, and those
// that have left and stayed away.
func (p *presence) takeDue() (joined, left []Person) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.topic.hub.opts.Now()
	for x := range p.pending {
		switch {
		case x.here():
			x.told, x.toldData = true, x.Data
			joined = append(joined, Person{ID: x.ID, Anonymous: x.Anonymous, Data: x.Data})
		case now.Before(p.due(x)):
			continue
		default:
			p.forgetLocked(x)
			left = append(left, Person{ID: x.ID, Anonymous: x.Anonymous, Data: x.toldData})
		}
		delete(p.pending, x)
	}
	if len(joined)+len(left) > 0 {
		p.told = now
	}
	if len(p.pending) == 0 { // a map does not shrink by itself
		p.pending = make(map[*person]struct{})
	}
	sortPeople(joined)
	sortPeople(left)
	p.noticeLocked(joined, left)
	return joined, left
}

// noticeLocked tells the program, unless the roster does so. Under mu the notices of a topic come in
// the order of the events.
func (p *presence) noticeLocked(joined, left []Person) {
	if p.topic.hub.roster == nil && p.topic.hub.opts.OnPresence != nil && len(joined)+len(left) > 0 {
		p.topic.hub.notify(notice{topic: p.topic, joined: slices.Clone(joined), left: left})
	}
}

// withoutData returns the people without their data.
func withoutData(all []Person) []Person {
	bare := make([]Person, len(all))
	for i, x := range all {
		bare[i] = Person{ID: x.ID, Anonymous: x.Anonymous}
	}
	return bare
}

// cutPeople returns as many of the people as fit into one message, and the rest.
func cutPeople(all []Person) (some, rest []Person) {
	bytes := 0
	for i := range all {
		if bytes += peopleSize(all[i : i+1]); bytes > maxTold && i > 0 {
			return all[:i], all[i:]
		}
	}
	return all, nil
}

func sortPeople(all []Person) {
	slices.SortFunc(all, func(a, b Person) int {
		if c := cmp.Compare(a.ID, b.ID); c != 0 {
			return c
		}
		if a.Anonymous == b.Anonymous {
			return 0
		} else if b.Anonymous {
			return -1
		}
		return 1
	})
}

// end stops the timer when the topic has ended. People who are still within the grace period have
// left with the topic.
func (p *presence) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	var left []Person
	for _, x := range p.people { // people who have left, within the grace period
		p.topic.hub.presentBytes.Add(-x.weight())
		if x.told {
			left = append(left, Person{ID: x.ID, Anonymous: x.Anonymous, Data: x.toldData})
		}
	}
	sortPeople(left)
	p.noticeLocked(nil, left)
	clear(p.people)
	clear(p.pending)
	if p.timer != nil {
		p.timer.Stop()
	}
}
