package hub

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// MemoryBrokerOptions configures a [MemoryBroker]. The zero value keeps no history.
type MemoryBrokerOptions struct {
	History int // messages that are kept, of all topics together
	// Now is the clock, for tests; time.Now if nil.
	Now func() time.Time
}

// MemoryBroker is a broker within a process: it joins hubs, each of which has a [MemoryNode]. It is
// what others are measured by, and for tests of what a hub does when its link is lost.
type MemoryBroker struct {
	opts MemoryBrokerOptions

	mu        sync.Mutex
	epoch     uint64
	last      uint64      // offset
	held      []*Envelope // history
	forgotten uint64      // offset up to which not all is held
	nodes     map[*MemoryNode]struct{}
	waiting   map[string][]*publication // by topic, in their order: for nodes that do not keep up
}

// maxNodeQueue is how many bytes wait for a node of a MemoryBroker before publishers have to.
const maxNodeQueue = 8 << 20

// NewMemoryBroker returns a bus without nodes.
func NewMemoryBroker(o MemoryBrokerOptions) *MemoryBroker {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &MemoryBroker{opts: o, epoch: rand.Uint64()>>12 | 1, nodes: make(map[*MemoryNode]struct{})}
}

// Node returns a new node, which is linked.
func (b *MemoryBroker) Node() *MemoryNode {
	n := &MemoryNode{
		broker: b, topics: make(map[string]struct{}),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	b.mu.Lock()
	b.nodes[n] = struct{}{}
	b.mu.Unlock()
	return n
}

// renew has the bus begin anew, with another epoch, as if it had lost all it had.
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

func (b *MemoryBroker) positionLocked() Position { return Position{b.epoch, b.last} }

// keepLocked puts m into the history.
func (b *MemoryBroker) keepLocked(m *Envelope) {
	b.held = append(b.held, m)
	if len(b.held) >= 2*b.opts.History {
		old := len(b.held) - b.opts.History
		if old > 0 {
			b.forgotten = b.held[old-1].Position.Offset
		}
		b.held = append([]*Envelope(nil), b.held[old:]...) // others may read the old ones
	}
}

// MemoryNode is a node of a [MemoryBroker]: a [Broker] for one hub.
type MemoryNode struct {
	broker *MemoryBroker
	node   Node
	wake   chan struct{}
	done   chan struct{} // closed when nothing is called any more
	cuts   atomic.Uint64

	// Guarded by MemoryBroker.mu.
	topics   map[string]struct{}
	patterns trie[struct{}]
	queue    []nodeCall
	size     int // of the messages in queue, and of those that are being delivered
	down     bool
	closed   bool
}

// nodeCall is a call of a Node: Deliver, Lost or Linked; or of nobody, if somebody waits for
// its turn.
type nodeCall struct {
	synced  chan struct{}
	message *Envelope
	lost    error
	linked  Position
	cuts    uint64 // at the time; what was on its way when the link was cut is lost
}

// Attach makes MemoryNode a Broker.
func (n *MemoryNode) Attach(node Node) {
	n.broker.mu.Lock()
	defer n.broker.mu.Unlock()
	if n.closed {
		return
	}
	n.node = node
	if !n.down {
		n.pushLocked(nodeCall{linked: n.broker.positionLocked()})
	}
	go n.run()
}

func (n *MemoryNode) pushLocked(c nodeCall) {
	c.cuts = n.cuts.Load()
	n.queue = append(n.queue, c)
	if c.message != nil {
		n.size += c.message.cost()
	}
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// cost is what the message counts for in limits, in bytes.
func (m *Envelope) cost() int { return len(m.Data) + len(m.Key) + entryCost }

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

// take returns what is to be called next.
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

// cut has the node lose its link, and with it what is on its way, until restore.
func (n *MemoryNode) cut() {
	b := n.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if n.down || n.closed {
		return
	}
	n.down = true
	n.cuts.Add(1)
	n.pushLocked(nodeCall{lost: fmt.Errorf("%w: it was cut", ErrLinkDown)})
	go b.publishWaiting() // what waited for this node alone
}

// restore brings the link back.
func (n *MemoryNode) restore() {
	b := n.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if n.down && !n.closed {
		n.down = false
		n.pushLocked(nodeCall{linked: b.positionLocked()})
	}
}

// errLocked returns why the node can do nothing.
func (n *MemoryNode) errLocked() error {
	switch {
	case n.closed:
		return fmt.Errorf("%w: it is closed", ErrLinkDown)
	case n.down:
		return ErrLinkDown
	}
	return nil
}

// publication is a message that waits for nodes that do not keep up.
type publication struct {
	message *Envelope
	done    func(Position, error)
	stop    func() bool // ends the watch of its context
}

// Publish makes MemoryNode a Broker.
func (n *MemoryNode) Publish(ctx context.Context, m *Envelope, done func(Position, error)) {
	b := n.broker
	b.mu.Lock()
	if err := n.errLocked(); err != nil {
		b.mu.Unlock()
		done(Position{}, err)
		return
	}
	if len(b.waiting[m.Topic]) == 0 && !b.fullLocked(m.Topic) {
		at := b.publishLocked(*m)
		b.mu.Unlock()
		done(at, nil)
		return
	}
	p := &publication{message: m, done: done}
	p.stop = context.AfterFunc(ctx, func() { b.expire(p, ctx.Err()) })
	if b.waiting == nil {
		b.waiting = make(map[string][]*publication)
	}
	b.waiting[m.Topic] = append(b.waiting[m.Topic], p)
	b.mu.Unlock()
}

// expire answers a publication that has waited for long enough, unless it has been published.
func (b *MemoryBroker) expire(p *publication, cause error) {
	topic := p.message.Topic
	b.mu.Lock()
	all := b.waiting[topic]
	i := slices.Index(all, p)
	if i >= 0 {
		b.setWaitingLocked(topic, slices.Delete(all, i, i+1))
	}
	b.mu.Unlock()
	if i >= 0 {
		p.done(Position{}, fmt.Errorf("%w: a node does not keep up: %w", ErrLinkDown, cause))
	}
}

func (b *MemoryBroker) setWaitingLocked(topic string, all []*publication) {
	if len(all) == 0 {
		delete(b.waiting, topic)
	} else {
		b.waiting[topic] = all
	}
}

// publishWaiting publishes what waits, as far as there is room.
func (b *MemoryBroker) publishWaiting() {
	var answers []func()
	b.mu.Lock()
	for topic, all := range b.waiting {
		for len(all) > 0 && !b.fullLocked(topic) {
			p, at := all[0], b.publishLocked(*all[0].message)
			all = all[1:]
			p.stop()
			answers = append(answers, func() { p.done(at, nil) })
		}
		b.setWaitingLocked(topic, all)
	}
	b.mu.Unlock()
	for _, f := range answers {
		f()
	}
}

// fullLocked reports whether a message has to wait for a node.
func (b *MemoryBroker) fullLocked(topic string) bool {
	for n := range b.nodes {
		if n.size > maxNodeQueue && n.wantsLocked(topic) {
			return true
		}
	}
	return false
}

// wantsLocked reports whether the node has joined the topic.
func (n *MemoryNode) wantsLocked(topic string) (yes bool) {
	if n.down {
		return false
	}
	if _, yes = n.topics[topic]; !yes {
		n.patterns.match(topic, func(struct{}) bool {
			yes = true
			return false
		})
	}
	return yes
}

func (b *MemoryBroker) publishLocked(m Envelope) Position {
	b.last++
	m.Position, m.Time = b.positionLocked(), b.opts.Now()
	if b.opts.History > 0 {
		b.keepLocked(&m)
	}
	for n := range b.nodes {
		if n.wantsLocked(m.Topic) {
			n.pushLocked(nodeCall{message: &m})
		}
	}
	return m.Position
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
		return fmt.Errorf("%w: it is closed", ErrLinkDown)
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
		return errors.New("hub: the node of the bus has been closed before")
	}
	n.closed = true
	n.cuts.Add(1)
	n.queue = nil
	delete(b.nodes, n)
	close(n.wake)
	attached := n.node != nil
	b.mu.Unlock()
	b.publishWaiting() // what waited for this node alone
	if attached {
		<-n.done
	}
	return nil
}
