package chat

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

const (
	// retryEvery is the interval at which a node repeats what it could not publish.
	retryEvery = time.Second
	// maxUnpublished bounds the topics, and the orders for other nodes, that wait for that. Beyond it further ones are lost.
	maxUnpublished = 1 << 16
)

// outbox has what a node of a cluster could not publish. Of each topic it is the last message only: a page that gets it notices by
// its revision that it has missed others, and requests them. Its methods may be called from any goroutine.
type outbox struct {
	mu     sync.Mutex
	last   map[string]hub.Message // by topic
	orders []order
}

// add takes a message that was not published.
func (o *outbox) add(topic string, m hub.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.last == nil {
		o.last = make(map[string]hub.Message)
	}
	if _, is := o.last[topic]; is || len(o.last) < maxUnpublished {
		o.last[topic] = m
	}
}

// addOrder takes an order that other nodes may not have got.
func (o *outbox) addOrder(all ...order) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.orders)+len(all) <= maxUnpublished {
		o.orders = append(o.orders, all...)
	}
}

// take removes what the outbox has.
func (o *outbox) take() (last map[string]hub.Message, orders []order) {
	o.mu.Lock()
	defer o.mu.Unlock()
	last, orders = o.last, o.orders
	o.last, o.orders = nil, nil
	return last, orders
}

// restore puts a message back, unless a later one of its topic has come.
func (o *outbox) restore(topic string, m hub.Message) {
	o.mu.Lock()
	_, later := o.last[topic]
	o.mu.Unlock()
	if !later { // only republish restores, and what is added meanwhile is as good
		o.add(topic, m)
	}
}

// republish publishes what could not be published before, if there is a link to the other nodes.
func (c *Chat) republish(ctx context.Context) {
	if !c.opts.Cluster.Up() {
		return
	}
	last, orders := c.unpublished.take()
	for i, what := range orders {
		if ctx.Err() != nil || c.tell(what) != nil {
			c.unpublished.addOrder(orders[i:]...)
			break
		}
	}
	for topic, m := range last {
		if ctx.Err() != nil {
			return
		}
		if _, err := c.hub.Publish(topic, m); err != nil && !errors.Is(err, hub.ErrTooManyTopics) {
			c.unpublished.restore(topic, m)
		}
	}
}

// order is what all nodes must do: end a login, or a membership.
type order struct {
	User  int64    `json:"user"`
	Login [32]byte `json:"login"`
	Rooms []int64  `json:"rooms"` // of the user, or the one that was left
	Leave bool     `json:"leave"`
}

// tell has all nodes carry out an order.
func (c *Chat) tell(what order) error {
	b, err := json.Marshal(what)
	if err == nil {
		_, err = c.hub.Tell(b)
	}
	return err
}

// everywhere carries out an order at this node, and has the others do so.
func (c *Chat) everywhere(what order) {
	c.carryOut(what)
	if c.opts.Cluster == nil {
		return
	}
	if err := c.tell(what); err != nil {
		c.unpublished.addOrder(what)
		c.opts.Logger.Warn("other nodes may not know yet that a login or a membership has ended; they are told again", "user", what.User, "error", err)
	}
}

// told is hub.Options.OnTold.
func (c *Chat) told(data []byte) int {
	var what order
	if err := json.Unmarshal(data, &what); err != nil {
		c.opts.Logger.Error("an order of another node cannot be read", "error", err)
		return 0
	}
	c.orders.Go(func() { c.carryOut(what) }) // which waits for the broker
	return 0
}

// carryOut closes the connections of a login, or the subscriptions of a membership, at this node.
func (c *Chat) carryOut(what order) {
	if what.Leave {
		for _, room := range what.Rooms {
			c.closeMembership(room, what.User)
		}
		return
	}
	c.closeConns(what)
}
