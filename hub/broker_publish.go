package hub

import (
	"fmt"
	"strings"
)

// publish has the broker publish m, whose data does not change. done is called with the answer:
// at once, or from a goroutine of the broker.
func (n *brokerNode) publish(by creator, name string, m Message, done func(Receipt, error)) {
	n.hub.Start()
	name = strings.Clone(name)
	if rule := n.hub.rule(name); !rule.History.kept() {
		n.send(name, m, n.passes(rule), done)
		return
	}
	t, err := n.hub.topic(name, by)
	if err != nil {
		done(Receipt{}, err)
		return
	}
	n.whenJoined(t, func(err error) {
		if err != nil {
			done(Receipt{}, err)
		} else {
			n.send(name, m, false, done)
		}
	})
}

// send passes a message to the broker.
func (n *brokerNode) send(name string, m Message, unstored bool, done func(Receipt, error)) {
	e := &Envelope{Topic: name, Kind: m.Kind, Data: m.Data, Key: m.Key, ID: m.ID, Unstored: unstored}
	if m.Exclude != nil {
		e.Origin = Origin{n.id, n.publishers.add(m.Exclude)}
	}
	ctx, cancel := n.context()
	n.broker.Publish(ctx, e, func(at Position, err error) {
		cancel()
		if err != nil {
			done(Receipt{Position: at}, fmt.Errorf("hub: publishing to %q: %w", name, err))
			return
		}
		done(Receipt{at, n.published(e)}, nil)
	})
}

// published counts a message, and returns the number of its subscribers at this node.
func (n *brokerNode) published(e *Envelope) (subscribers int) {
	n.hub.published.Add(1)
	receivers := n.receivers(nil, e.Topic)
	for _, t := range receivers {
		t.mu.Lock()
		subscribers += t.count
		t.mu.Unlock()
	}
	if len(receivers) == 0 { // it will not be delivered
		n.publishers.take(e.Origin.Publisher)
	}
	return subscribers
}
