package hub

import (
	"bytes"
	"math"
	"time"
)

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
	if x == nil || x.weight() == 0 {
		if x == nil {
			x = &person{Person: who}
		}
		if err := p.topic.hub.admitPresent(presentWeight(x.Person)); err != nil {
			return err
		}
		p.people[k] = x
	}
	x.Connections++
	if x.Connections == 1 && x.far == 0 {
		p.topic.hub.presentBytes.Add(int64(len(who.Data) - len(x.Data)))
		x.Data = who.Data
		p.changedLocked(x)
	}
	p.topic.hub.roster.set(p.topic, x)
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
	switch x.Connections--; {
	case x.Connections == 0 && x.far > 0:
		p.topic.hub.presentBytes.Add(-presentWeight(x.Person))
	case x.Connections == 0:
		p.changedLocked(x)
	}
	p.topic.hub.roster.set(p.topic, x)
}

// setFar sets how many connections a person has at other nodes.
func (p *presence) setFar(c farChange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	x := p.people[c.who]
	if p.ended || x == nil && c.far == 0 {
		return
	}
	weight := int64(0)
	if x == nil {
		x = &person{Person: Person{ID: c.who.id, Anonymous: c.who.anonymous}}
		p.people[c.who] = x
	} else {
		weight = x.weight()
	}
	was := x.here()
	if x.far = int32(min(c.far, math.MaxInt32)); !was {
		x.Data = c.data
	}
	p.topic.hub.presentBytes.Add(x.weight() - weight)
	if x.here() != was {
		p.changedLocked(x)
	}
}

// changedLocked schedules the announcement that x joined or left, or cancels it if it is no
// longer needed.
func (p *presence) changedLocked(x *person) {
	here := x.here()
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

// publish sends the changes to the subscribers of the presence topic. The caller holds telling.
func (p *presence) publish(joined, left []Person) (full []*shard) {
	e := p.events
	if e == nil || !e.wanted() {
		return nil
	}
	left = withoutData(left)
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
