package hub

import "fmt"

// Presence returns the people in a topic, sorted, including those that are away and may still
// come back. If the broker is one of [Peers], they are those of all nodes. It fails with ErrNoPresence if the topic does not track presence. Only members that
// have subscribed to the topic by its name count, not subscriptions by pattern and not other
// subscribers.
func (h *Hub) Presence(name string) ([]Person, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	t := h.lookup(name)
	switch {
	case t == nil:
		return h.roster.people(name), nil
	case t.presence == nil:
		return nil, fmt.Errorf("%w %q", ErrNoPresence, name)
	}
	p := t.presence
	p.mu.Lock()
	all := make([]Person, 0, len(p.people))
	for _, x := range p.people {
		who := x.Person
		who.Connections += int(x.far)
		all = append(all, who)
	}
	p.mu.Unlock()
	sortPeople(all)
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
