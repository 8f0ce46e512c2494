package hub

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
)

// Node returns a new node, which is connected.
func (b *MemoryBroker) Node() *MemoryNode {
	n := &MemoryNode{
		broker: b, topics: make(map[string]struct{}),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
		peer: memoryPeer{
			number: rand.Uint64() | 1, state: make(map[string][]byte), told: make(map[*MemoryNode]map[string][]byte),
			ended: make(chan struct{}),
		},
	}
	b.mu.Lock()
	b.nodes[n] = struct{}{}
	b.mu.Unlock()
	return n
}

// renew begins a new epoch, as if the broker had lost everything.
func (b *MemoryBroker) renew() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.epoch++
	b.last, b.held, b.forgotten = 0, nil, 0
	for n := range b.nodes {
		if !n.down {
			n.pushLocked(nodeCall{linked: b.positionLocked()})
		}
	}
}

// Attach makes MemoryNode a Broker.
func (n *MemoryNode) Attach(node Node) {
	n.broker.mu.Lock()
	defer n.broker.mu.Unlock()
	if n.closed {
		return
	}
	n.node = node
	n.peer.node, _ = node.(PeerNode)
	if !n.down {
		n.pushLocked(nodeCall{linked: n.broker.positionLocked()})
		n.meetLocked()
	}
	go n.run()
}

func (n *MemoryNode) run() {
	defer close(n.done)
	for range n.wake {
		for calls := n.take(); len(calls) > 0; calls = n.take() {
			for _, c := range calls {
				n.call(c)
			}
		}
	}
}

// take returns the next calls.
func (n *MemoryNode) take() []nodeCall {
	n.broker.mu.Lock()
	defer n.broker.mu.Unlock()
	if n.closed {
		return nil
	}
	calls := n.queue
	n.queue = nil
	return calls
}

func (n *MemoryNode) call(c nodeCall) {
	b := n.broker
	cut := n.cuts.Load() != c.cuts
	switch {
	case c.synced != nil:
		close(c.synced)
	case c.peer != nil:
		n.callPeer(c.peer)
	case c.message != nil:
		if !cut {
			n.node.Deliver(c.message)
		}
		b.mu.Lock()
		n.size -= c.message.cost()
		waits := len(b.waiting) > 0
		b.mu.Unlock()
		if waits {
			b.publishWaiting()
		}
	case cut:
	case c.lost != nil:
		n.node.Lost(c.lost)
	default:
		n.node.Linked(c.linked)
	}
}

// cut disconnects the node, which loses what is on its way, until restore.
func (n *MemoryNode) cut() {
	b := n.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if n.down || n.closed {
		return
	}
	n.down = true
	n.cuts.Add(1)
	n.pushLocked(nodeCall{lost: fmt.Errorf("%w: the test cut it", ErrLinkDown)})
	go b.publishWaiting() // publications may have waited for this node alone
}

// restore connects the node again.
func (n *MemoryNode) restore() {
	b := n.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if n.down && !n.closed {
		n.down = false
		n.pushLocked(nodeCall{linked: b.positionLocked()})
		n.meetLocked()
	}
}

// Sync makes MemoryNode a Syncer.
func (n *MemoryNode) Sync(ctx context.Context) error {
	synced := make(chan struct{})
	n.broker.mu.Lock()
	err := n.errLocked()
	attached := n.node != nil
	if err == nil && attached {
		n.pushLocked(nodeCall{synced: synced})
	}
	n.broker.mu.Unlock()
	if err != nil || !attached {
		return err
	}
	select {
	case <-synced:
		return nil
	case <-n.done:
		return fmt.Errorf("%w: the node is closed", ErrLinkDown)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Join makes MemoryNode a Broker.
func (n *MemoryNode) Join(_ context.Context, subject string) (Position, error) {
	b := n.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := n.errLocked(); err != nil {
		return Position{}, err
	}
	if IsPattern(subject) {
		n.patterns.insert(subject, struct{}{})
	} else {
		n.topics[subject] = struct{}{}
	}
	return b.positionLocked(), nil
}

// Leave makes MemoryNode a Broker.
func (n *MemoryNode) Leave(subject string) {
	n.broker.mu.Lock()
	defer n.broker.mu.Unlock()
	if IsPattern(subject) {
		n.patterns.remove(subject)
	} else {
		delete(n.topics, subject)
	}
}

// History makes MemoryNode a Broker.
func (n *MemoryNode) History(_ context.Context, q HistoryQuery) (HistoryPage, error) {
	b := n.broker
	b.mu.Lock()
	err, held, at, forgotten := n.errLocked(), b.held, b.positionLocked(), b.forgotten
	b.mu.Unlock()
	switch {
	case err != nil:
		return HistoryPage{}, err
	case b.opts.History <= 0:
		return HistoryPage{}, ErrNoHistory
	}
	page := HistoryPage{Epoch: at.Epoch, UpTo: min(q.UpTo, at.Offset), From: max(q.After, forgotten)}
	bytes := 0
	end := sort.Search(len(held), func(i int) bool { return held[i].Position.Offset > page.UpTo })
	for i := end - 1; i >= 0 && held[i].Position.Offset > q.After; i-- {
		m := held[i]
		if !matches(q.Subject, m.Topic) {
			continue
		}
		bytes += m.cost()
		if q.Messages > 0 && len(page.Messages) == q.Messages || q.Bytes > 0 && bytes > q.Bytes || m.Time.Before(q.Since) {
			page.From = m.Position.Offset
			break
		}
		page.Messages = append(page.Messages, m)
	}
	slices.Reverse(page.Messages)
	return page, nil
}

// Close makes MemoryNode a Broker.
func (n *MemoryNode) Close() error {
	b := n.broker
	b.mu.Lock()
	if n.closed {
		b.mu.Unlock()
		return errors.New("hub: the memory node is closed already")
	}
	n.closed = true
	n.cuts.Add(1)
	n.queue = nil
	delete(b.nodes, n)
	for other := range b.nodes {
		other.loseLocked(n)
	}
	close(n.wake)
	close(n.peer.ended)
	attached := n.node != nil
	b.mu.Unlock()
	b.publishWaiting() // publications may have waited for this node alone
	n.peer.answering.Wait()
	if attached {
		<-n.done
	}
	return nil
}
