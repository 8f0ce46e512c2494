package hub

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

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

// expire answers a publication whose context has ended, unless it has been published.
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
		p.done(Position{}, fmt.Errorf("%w: a node is too slow: %w", ErrLinkDown, cause))
	}
}

func (b *MemoryBroker) setWaitingLocked(topic string, all []*publication) {
	if len(all) == 0 {
		delete(b.waiting, topic)
	} else {
		b.waiting[topic] = all
	}
}

// publishWaiting publishes the waiting publications for which there is room now, in order for
// each topic.
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

// maxIDs is how many IDs of messages a MemoryBroker knows at least.
const maxIDs = 1 << 14

// knowLocked notes the position of a message with an ID.
func (b *MemoryBroker) knowLocked(m *Envelope) {
	if m.ID == "" {
		return
	}
	if len(b.ids) >= 2*maxIDs {
		maps.DeleteFunc(b.ids, func(_ string, at Position) bool { return at.Epoch != b.epoch || at.Offset+maxIDs < b.last })
	}
	b.ids[m.Topic+" "+m.ID] = m.Position
}

// fullLocked reports whether a message to the topic must wait for a node.
func (b *MemoryBroker) fullLocked(topic string) bool {
	for n := range b.nodes {
		if n.size > maxNodeQueue && n.wantsLocked(topic) {
			return true
		}
	}
	return false
}

func (b *MemoryBroker) publishLocked(m Envelope) Position {
	m.Time = b.opts.Now()
	if at, known := b.ids[m.Topic+" "+m.ID]; known {
		return at
	}
	if !m.Unstored {
		b.last++
		m.Position = b.positionLocked()
		if b.opts.History > 0 {
			b.keepLocked(&m)
		}
		b.knowLocked(&m)
	}
	for n := range b.nodes {
		if n.wantsLocked(m.Topic) {
			n.pushLocked(nodeCall{message: &m})
		}
	}
	return m.Position
}
