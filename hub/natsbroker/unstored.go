package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fanfare-ws/fanfare/hub"
)

var _ hub.Unstorer = (*Broker)(nil)

// headerFrom is a header of messages that are not stored: the publisher's node, and the number of
// the message there.
const headerFrom = "Fanfare-From"

// JoinUnstored makes Broker a [hub.Unstorer].
func (b *Broker) JoinUnstored(ctx context.Context, topic string) error {
	j := &joined{unstored: true}
	b.mu.Lock()
	s, err := b.session, b.errLocked()
	if err == nil && !b.up {
		err = b.cause // what arrives now is left out
	}
	if err != nil {
		b.mu.Unlock()
		return err
	}
	b.topics[topic] = j
	w := newWaiter(func(uint64) { j.begun = true })
	b.doLocked(s, op{subscribe: b.subjects.outTopic + escape(topic), waiter: w, flush: true})
	b.mu.Unlock()
	if err = b.await(ctx, s, w); err == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leaveLocked(topic, j)
	return fmt.Errorf("natsbroker: joining %q: %w", topic, err)
}

// flush waits until the server has got everything that was written to the session, and ends the
// waiting.
func (b *Broker) flush(s *session, waiters []*waiter) {
	err := s.nc.FlushTimeout(linkTimeout)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range waiters {
		if err != nil {
			w.fail(fmt.Errorf("%w: %w", hub.ErrLinkDown, err))
		} else {
			w.ok(0)
		}
	}
}

// writeUnstored sends a message that is not stored. It is answered when it has been written.
func (b *Broker) writeUnstored(s *session, p *publication) {
	err := s.nc.PublishMsg(&nats.Msg{
		Subject: b.subjects.outTopic + escape(p.message.Topic), Data: p.message.Data,
		Header: nats.Header{headerContent: {contentHeader(p.message)}, headerFrom: {b.id + strconv.FormatUint(p.id, 36)}},
	})
	if err != nil {
		err = fmt.Errorf("%w: %w", hub.ErrLinkDown, err)
	}
	b.finish(p.id, hub.Position{}, err)
}

// errNoSource says that a message was neither stored nor published by a node.
var errNoSource = errors.New("natsbroker: it is not from the stream, and its header " + headerFrom + " is wrong")

// readUnstored takes a message that is not stored. NATS sends a copy for each subject that matches,
// and the number of the message says which one is the first.
func (b *Broker) readUnstored(topic string, m *nats.Msg) {
	from := m.Header.Get(headerFrom)
	node := from[:min(len(from), len(b.id))]
	number, err := strconv.ParseUint(from[len(node):], 36, 64)
	e := &hub.Envelope{Topic: strings.Clone(topic), Data: m.Data, Time: time.Now(), Unstored: true}
	switch {
	case err != nil:
		err = errNoSource
	default:
		err = setContent(e, m.Header.Get(headerContent))
	}
	if err != nil {
		b.report(fmt.Errorf("natsbroker: a message to topic %q is left out: %w", topic, err))
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.up || b.topics[topic] == nil && len(b.patterns) == 0 || !b.heard.first(node, number) {
		return
	}
	if !b.out.push(call{message: e}) {
		b.out.dropMessages()
		b.loseLocked(errTooSlow)
	}
}

// heard knows the last message that came from each node without having been stored.
type heard struct{ young, old map[string]uint64 }

// maxHeard is how many nodes are remembered at least; there are never more than twice as many.
const maxHeard = 1024

// first reports whether no message of the node with that number, or a higher one, has come before.
func (h *heard) first(node string, number uint64) bool {
	last, ok := h.young[node]
	if !ok {
		if h.young == nil || len(h.young) >= maxHeard {
			h.old, h.young = h.young, make(map[string]uint64)
		}
		last = h.old[node]
		node = strings.Clone(node) // of the header
	}
	if number <= last {
		return false
	}
	h.young[node] = number
	return true
}
