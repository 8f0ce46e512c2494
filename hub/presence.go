package hub

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// tellEvery is the least time between two events of a topic: what happens between them is told
	// in one.
	tellEvery = 100 * time.Millisecond
	// maxTold is about how many bytes of people one message tells; the next follows at once.
	maxTold = 32 << 10
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
	told     bool            // there is an event that the person has joined, and none after it
	toldData json.RawMessage // in that event
}

func newPresence(t *Topic) *presence {
	return &presence{topic: t, people: make(map[personKey]*person), pending: make(map[*person]struct{})}
}

// person returns the member as a Person.
func (m *Member) person() Person {
	if m.user != "" {
		return Person{ID: m.user, Data: json.RawMessage(m.data)}
	}
	return Person{ID: m.ID(), Anonymous: true, Data: json.RawMessage(m.data)}
}

// join counts a subscription, unless there is no room for another person, and leave its end.
// They are called under Topic.mu. Only members are people.
func (p *presence) join(to Subscriber) error {
	m, ok := to.(*Member)
	if p == nil || !ok {
		return nil
	}
	who := m.person()
	p.mu.Lock()
	defer p.mu.Unlock()
	k := personKey{who.ID, who.Anonymous}
	x := p.people[k]
	if x == nil {
		if err := p.topic.hub.admitPresent(presentWeight(who)); err != nil {
			return err
		}
		x = &person{Person: who}
		p.people[k] = x
	}
	if x.Connections++; x.Connections > 1 {
		return nil
	}
	p.topic.hub.presentBytes.Add(int64(len(who.Data) - len(x.Data)))
	x.Data = who.Data
	p.changedLocked(x)
	return nil
}

func (p *presence) leave(to Subscriber) {
	m, ok := to.(*Member)
	if p == nil || !ok {
		return
	}
	who := m.person()
	p.mu.Lock()
	defer p.mu.Unlock()
	x := p.people[personKey{who.ID, who.Anonymous}]
	if x.Connections--; x.Connections == 0 {
		p.changedLocked(x)
	}
}

// changedLocked schedules the announcement that x joined or left, or cancels it if it is no
// longer needed.
func (p *presence) changedLocked(x *person) {
	here := x.Connections > 0
	if here == x.told && (!here || bytes.Equal(x.Data, x.toldData)) {
		delete(p.pending, x)
		if !here {
			p.forgetLocked(x)
		}
		return
	}
	x.since = p.topic.hub.opts.Now()
	p.pending[x] = struct{}{}
	p.wakeLocked(p.due(x))
}

func (p *presence) forgetLocked(x *person) {
	delete(p.people, personKey{x.ID, x.Anonymous})
	p.topic.hub.presentBytes.Add(-presentWeight(x.Person))
}

// personWeight is the memory for a person besides name and data, in bytes.
const personWeight = 256

// presentWeight is what a present person counts for, in bytes.
func presentWeight(who Person) int64 { return int64(len(who.ID) + len(who.Data) + personWeight) }

// due returns when the pending change of x should be announced.
func (p *presence) due(x *person) time.Time {
	if x.Connections > 0 {
		return x.since.Add(tellEvery)
	}
	return x.since.Add(p.topic.opts.PresenceGrace)
}

// wakeLocked has tell called at a time, or as soon after it as the interval between events
// allows.
func (p *presence) wakeLocked(at time.Time) {
	if next := p.told.Add(tellEvery); at.Before(next) {
		at = next
	}
	if p.ended || !p.at.IsZero() && !at.Before(p.at) {
		return
	}
	p.at = at
	if d := at.Sub(p.topic.hub.opts.Now()); p.timer == nil {
		p.timer = time.AfterFunc(d, p.tell)
	} else {
		p.timer.Reset(d)
	}
}

// tell announces the changes that are due. It is the function of the timer.
func (p *presence) tell() {
	p.telling.Lock()
	joined, left := p.takeDue()
	var full []*shard
	if len(joined)+len(left) > 0 {
		p.list = nil
		full = p.publish(joined, left)
	}
	p.telling.Unlock()
	for _, sh := range full {
		sh.help()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = time.Time{}
	var next time.Time
	for x := range p.pending {
		if at := p.due(x); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if !next.IsZero() {
		p.wakeLocked(next)
	}
}

// takeDue returns the people to announce now: all that have joined, however recently, and those
// that have left and stayed away.
func (p *presence) takeDue() (joined, left []Person) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.topic.hub.opts.Now()
	for x := range p.pending {
		switch {
		case x.Connections > 0:
			x.told, x.toldData = true, x.Data
			joined = append(joined, Person{ID: x.ID, Anonymous: x.Anonymous, Data: x.Data})
		case now.Before(p.due(x)):
			continue
		default:
			p.forgetLocked(x)
			left = append(left, Person{ID: x.ID, Anonymous: x.Anonymous})
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
	return joined, left
}

// publish sends the changes to the subscribers of the presence topic. The caller holds telling.
func (p *presence) publish(joined, left []Person) (full []*shard) {
	e := p.events
	if e == nil || !e.wanted() {
		return nil
	}
	for len(joined)+len(left) > 0 {
		var j, l []Person
		j, joined = cutPeople(joined)
		if len(joined) == 0 {
			l, left = cutPeople(left)
		}
		r := &Record{Topic: e.name, event: &Event{Kind: PresenceEvent, Topic: p.topic.name, Joined: j, Left: l}}
		e.mu.Lock()
		r.Offset = e.log.next
		full = e.appendLocked(r, r.Offset, full[:0])
		e.mu.Unlock()
	}
	return full
}

// wanted reports whether the topic has subscribers.
func (t *Topic) wanted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count > 0
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

// subscribe subscribes s to the events, and returns the people as announced by the events
// before.
func (p *presence) subscribe(s *Subscription, m *Member, o SubscribeOptions) ([]Person, error) {
	id, err := p.topic.hub.encodingOf(m, o.Encoding)
	if err != nil {
		return nil, err
	}
	p.telling.Lock()
	defer p.telling.Unlock()
	if p.events == nil {
		p.events = newPresenceTopic(p.topic)
	}
	if _, _, err := p.events.subscribe(s, m, id, SubscribeOptions{Paused: o.Paused}); err != nil {
		return nil, err
	}
	if p.list == nil {
		p.list = p.toldPeople()
	}
	return p.list, nil
}

func (p *presence) toldPeople() []Person {
	p.mu.Lock()
	all := make([]Person, 0, len(p.people))
	for _, x := range p.people {
		if x.told {
			all = append(all, Person{ID: x.ID, Anonymous: x.Anonymous, Data: x.toldData})
		}
	}
	p.mu.Unlock()
	sortPeople(all)
	return all
}

// end stops the timer when the topic has ended.
func (p *presence) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	for _, x := range p.people { // people who have left, within the grace period
		p.topic.hub.presentBytes.Add(-presentWeight(x.Person))
	}
	clear(p.people)
	clear(p.pending)
	if p.timer != nil {
		p.timer.Stop()
	}
}

// newPresenceTopic returns the topic for the presence events of t. It has no history, and
// disconnects slow subscribers, since none may miss an event. The hub does not list it, so it
// cannot be reached by name or pattern; it ends with t.
func newPresenceTopic(t *Topic) *Topic {
	o := new(TopicOptions)
	o.fill()
	return &Topic{
		hub: t.hub, name: presenceTopicName(t.name), opts: o,
		epoch: t.hub.newEpoch(), log: log{next: 1}, presenceTopic: true,
	}
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

// Presence returns the people in a topic, sorted, including those that are away and may still
// come back. It fails with ErrNoPresence if the topic does not track presence. Only members that
// have subscribed to the topic by its name count, not subscriptions by pattern and not other
// subscribers.
func (h *Hub) Presence(name string) ([]Person, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	t := h.lookup(name)
	switch {
	case t == nil:
		return nil, nil
	case t.presence == nil:
		return nil, fmt.Errorf("%w %q", ErrNoPresence, name)
	}
	p := t.presence
	p.mu.Lock()
	all := make([]Person, 0, len(p.people))
	for _, x := range p.people {
		all = append(all, x.Person)
	}
	p.mu.Unlock()
	sortPeople(all)
	return all, nil
}
