package hub

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// brokerNode is the part of a hub that its broker calls, and through which the hub calls the
// broker. A hub without a broker has none.
type brokerNode struct {
	hub        *Hub
	id         uint64
	broker     Broker
	timeout    time.Duration
	publishers publishers
	linked     atomic.Pointer[Position] // the last position with which Linked reported a gap

	// Used only by the goroutine that calls Deliver and Linked.
	at    Position // everything up to here has been delivered, or recovered
	found []*Topic // scratch
}

func newBrokerNode(h *Hub) *brokerNode {
	n := &brokerNode{hub: h, id: rand.Uint64() | 1, broker: h.opts.Broker, timeout: h.opts.BrokerTimeout}
	if n.timeout <= 0 {
		n.timeout = DefaultBrokerTimeout
	}
	n.publishers.now = h.opts.Now
	return n
}

func (n *brokerNode) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), n.timeout)
}

// begin returns the topic with that name, creating and joining it if there is none.
func (n *brokerNode) begin(name string, by creator) (*Topic, error) {
	t, err := n.hub.topic(name, by)
	if err != nil {
		return nil, err
	}
	t.remote.once.Do(func() { n.join(t) })
	if err := t.remote.err; err != nil {
		return nil, err
	}
	return t, nil
}

func (n *brokerNode) join(t *Topic) {
	ctx, cancel := n.context()
	defer cancel()
	at, err := n.broker.Join(ctx, t.name)
	t.mu.Lock()
	t.remote.begun = true
	if err != nil {
		t.remote.err = fmt.Errorf("hub: cannot join %q: %w", t.name, err)
	} else {
		if p := n.linked.Load(); p != nil && (p.Epoch != at.Epoch || p.Offset > at.Offset) {
			at = *p // the connection was lost meanwhile
		}
		t.beginLocked(at)
	}
	t.mu.Unlock()
	if err != nil {
		n.hub.forget(t)
	}
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

// publish has the broker publish m, whose data does not change. done is called with the answer:
// at once, or from a goroutine of the broker.
func (n *brokerNode) publish(by creator, name string, m Message, done func(Receipt, error)) {
	n.hub.Start()
	name = strings.Clone(name)
	if !n.hub.keeps(name) {
		n.send(name, m, done)
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
			n.send(name, m, done)
		}
	})
}

// whenJoined calls f when the topic has been joined, or joining has failed: now, or from a
// goroutine. Functions that wait are called in order.
func (n *brokerNode) whenJoined(t *Topic, f func(error)) {
	r := t.remote
	t.mu.Lock()
	if r.begun && !r.calling {
		err := r.err
		t.mu.Unlock()
		f(err)
		return
	}
	r.waiting = append(r.waiting, f)
	first := !r.calling
	r.calling = true
	t.mu.Unlock()
	if first {
		go n.callWaiting(t)
	}
}

// callWaiting joins the topic, and calls the functions that wait for that.
func (n *brokerNode) callWaiting(t *Topic) {
	r := t.remote
	r.once.Do(func() { n.join(t) })
	for {
		t.mu.Lock()
		waiting := r.waiting
		r.waiting = nil
		if len(waiting) == 0 {
			r.calling = false
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
		for _, f := range waiting {
			f(r.err)
		}
	}
}

// send passes a message to the broker.
func (n *brokerNode) send(name string, m Message, done func(Receipt, error)) {
	e := &Envelope{Topic: name, Kind: m.Kind, Data: m.Data, Key: m.Key}
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

// Deliver makes brokerNode a Node.
func (n *brokerNode) Deliver(m *Envelope) {
	if m.Position.Epoch != n.at.Epoch {
		n.Linked(Position{m.Position.Epoch, m.Position.Offset - 1})
	}
	n.at.Offset = max(n.at.Offset, m.Position.Offset)
	n.found = n.receivers(n.found[:0], m.Topic)
	if len(n.found) == 0 {
		n.exclude(m)
		return
	}
	r := n.record(m)
	for i, t := range n.found {
		t.deliver(r, n.at.Epoch)
		n.found[i] = nil
	}
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

// Lost makes brokerNode a Node.
func (n *brokerNode) Lost(cause error) {
	if f := n.hub.opts.OnLink; f != nil {
		f(cause)
	}
}

// Linked makes brokerNode a Node.
func (n *brokerNode) Linked(at Position) {
	if at.Epoch != n.at.Epoch || at.Offset > n.at.Offset {
		n.at = at
		n.linked.Store(&at)
		n.recover(at)
	}
	if f := n.hub.opts.OnLink; f != nil {
		f(nil)
	}
}

// recoverers is the number of topics that are recovered at a time.
const recoverers = 8

// recover has all topics fetch what they missed before at, or begin anew after it.
func (n *brokerNode) recover(at Position) {
	topics := n.hub.all()
	var next atomic.Int64
	var noHistory atomic.Bool // the broker cannot serve history now
	var wg sync.WaitGroup
	for range min(recoverers, len(topics)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(topics)); i = next.Add(1) - 1 {
				if t := topics[i]; !n.catchUp(t, at, &noHistory) {
					t.restart(at)
				}
			}
		})
	}
	wg.Wait()
}

// catchUp has the topic fetch what it missed before at, and reports whether nothing is missing.
func (n *brokerNode) catchUp(t *Topic, at Position, noHistory *atomic.Bool) bool {
	t.mu.Lock()
	last, epoch, begun := t.log.last, t.epoch, t.remote.begun || t.log.last > 0
	t.mu.Unlock()
	switch {
	case !begun:
		return true
	case epoch != at.Epoch:
		return false
	case last >= at.Offset:
		return true
	case noHistory.Load():
		return false
	}
	err := n.fetchNewer(t, HistoryQuery{Subject: t.name, After: last, UpTo: at.Offset, Bytes: maxPending}, epoch)
	if errors.Is(err, ErrNoHistory) || errors.Is(err, ErrLinkDown) || errors.Is(err, context.DeadlineExceeded) {
		noHistory.Store(true)
	}
	return err == nil
}
