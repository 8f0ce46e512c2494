package hub

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// brokerNode is the part of a hub that its broker calls, and through which the hub calls the
// broker. A hub without a broker has none.
type brokerNode struct {
	hub        *Hub
	id         uint64
	broker     Broker
	peers      Peers // the broker, if it is one of Peers
	timeout    time.Duration
	control    control
	self       nodeInfo // set by Hub.Start
	nodes      knownNodes
	publishers publishers
	strays     strays
	linked     atomic.Pointer[Position] // the last position with which Linked reported a gap

	// Used only by the goroutine that calls Deliver and Linked.
	at    Position // everything up to here has been delivered, or recovered
	found []*Topic // scratch
	lost  bool     // Lost has been called, and Linked has not
}

func newBrokerNode(h *Hub) *brokerNode {
	n := &brokerNode{hub: h, id: rand.Uint64() | 1, broker: h.opts.Broker, timeout: h.opts.BrokerTimeout, control: newControl()}
	n.peers, _ = n.broker.(Peers)
	if n.timeout <= 0 {
		n.timeout = DefaultBrokerTimeout
	}
	n.publishers.now = h.opts.Now
	return n
}

func (n *brokerNode) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), n.timeout)
}

// sync waits for messages that were published before, and are on their way here. If they do not
// come in time, or the connection is down, the caller goes on without them.
func (n *brokerNode) sync() {
	if n == nil {
		return
	}
	if b, ok := n.broker.(Syncer); ok {
		ctx, cancel := n.context()
		defer cancel()
		_ = b.Sync(ctx)
	}
}

// receivers appends the topic with that name and the patterns that match it, as far as this node
// has them.
func (n *brokerNode) receivers(all []*Topic, name string) []*Topic {
	h := n.hub
	h.mu.RLock()
	defer h.mu.RUnlock()
	if t := h.topics[name]; t != nil {
		all = append(all, t)
	}
	if !IsUserTopic(name) {
		h.patterns.match(name, func(p *Topic) bool {
			all = append(all, p)
			return true
		})
	}
	return all
}

func (n *brokerNode) record(m *Envelope) *Record {
	return &Record{
		Message: Message{Data: m.Data, Kind: m.Kind, Key: m.Key, Exclude: n.exclude(m)},
		Topic:   m.Topic, Offset: m.Position.Offset, at: m.Time.UnixMilli(),
	}
}

// exclude returns the subscriber that m excludes, nil if it belongs to another node.
func (n *brokerNode) exclude(m *Envelope) Subscriber {
	if m.Origin.Node != n.id {
		return nil
	}
	return n.publishers.take(m.Origin.Publisher)
}
