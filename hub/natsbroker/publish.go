package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

const (
	// Messages on their way to the stream, without an answer. NATS queues 100,000 messages and
	// 128 MiB for each stream, from all nodes.
	maxInFlight      = 4096
	maxInFlightBytes = 16 << 20
	// maxPublications is how many messages may wait in all.
	maxPublications = 1 << 16
	// duplicates is how long the stream recognises a message that it has stored already. It
	// costs the server some 100 bytes for each message of that time.
	duplicates = 30 * time.Second
)

// publication is a message that is being published.
type publication struct {
	id      uint64 // in the order of Publish
	message *hub.Envelope
	ttl     string
	done    func(hub.Position, error)
	release func() bool // stops watching the context
	begun   time.Time   // when it was sent first; zero if it has not been sent
	sent    int         // how many times
	waits   bool        // to be sent, or sent again
}

// messageID returns what the stream recognises the message by: its own ID, which is the same at all nodes, or one
// of this node.
func (b *Broker) messageID(p *publication) string {
	if m := p.message; m.ID != "" {
		return m.Topic + " " + m.ID
	}
	return b.id + strconv.FormatUint(p.id, 36)
}

func (p *publication) cost() int { return cost(p.message) }

// forgotten reports whether the stream may have forgotten the message's id, so that it might store
// the message again.
func (p *publication) forgotten() bool {
	return !p.begun.IsZero() && time.Since(p.begun) > duplicates/2
}

// unanswered returns the error for a message that gets no answer any more.
func (p *publication) unanswered(cause error) error {
	if p.begun.IsZero() {
		return fmt.Errorf("%w: %w", hub.ErrLinkDown, cause)
	}
	return fmt.Errorf("%w: %w", hub.ErrUnacknowledged, cause)
}

// refused returns the error for a message that the stream or the connection has refused. If it had
// been sent before, on another connection, it may have been stored then.
func (p *publication) refused(err error) error {
	if p.sent > 1 && errors.Is(err, hub.ErrLinkDown) {
		return fmt.Errorf("%w: it was sent %d times, at last: %v", hub.ErrUnacknowledged, p.sent, err)
	}
	return err
}

// flight is what is known of the messages to a topic that are being published.
type flight struct {
	count    int
	answered uint64 // the latest one that has been stored
}

// publications are the messages that are being published. Broker.mu guards them.
type publications struct {
	max     int
	last    uint64
	all     map[uint64]*publication
	size    int
	waiting []*publication // to be sent; some may be in all no more
	topics  map[string]*flight
	flying  int // messages without an answer that have been sent
	bytes   int // their size
}

func (ps *publications) init(most int) {
	ps.max, ps.all, ps.topics = most, make(map[uint64]*publication), make(map[string]*flight)
}

// add takes a message, and returns false if there are too many.
func (ps *publications) add(p *publication) bool {
	if len(ps.all) >= maxPublications || ps.size > ps.max {
		return false
	}
	ps.last++
	p.id, p.waits = ps.last, true
	ps.all[p.id] = p
	ps.size += p.cost()
	ps.waiting = append(ps.waiting, p)
	f := ps.topics[p.message.Topic]
	if f == nil {
		f = new(flight)
		ps.topics[p.message.Topic] = f
	}
	f.count++
	return true
}

// next returns the next message to send, which counts as sent; nil if there is none.
func (ps *publications) next() *publication {
	for len(ps.waiting) > 0 && ps.flying < maxInFlight && ps.bytes < maxInFlightBytes {
		p := ps.waiting[0]
		ps.waiting[0] = nil
		if ps.waiting = ps.waiting[1:]; len(ps.waiting) == 0 {
			ps.waiting = nil
		}
		if ps.all[p.id] != p || p.forgotten() {
			continue // it has been answered, or its context will end
		}
		p.waits = false
		p.sent++
		if p.begun.IsZero() {
			p.begun = time.Now()
		}
		ps.flying++
		ps.bytes += p.cost()
		return p
	}
	return nil
}

// take removes a message; nil if it has been answered.
func (ps *publications) take(id uint64) *publication {
	p := ps.all[id]
	if p == nil {
		return nil
	}
	delete(ps.all, id)
	ps.size -= p.cost()
	if !p.waits {
		ps.flying--
		ps.bytes -= p.cost()
	}
	f := ps.topics[p.message.Topic]
	if f.count--; f.count == 0 {
		delete(ps.topics, p.message.Topic)
	}
	return p
}

// again has all messages without an answer sent again, in order, on another connection. The
// stream recognises those that it has stored by their ids. A message is not sent again if a later
// one to its topic has been stored, or if the stream may have forgotten its id.
func (ps *publications) again() {
	ps.waiting = nil
	for _, id := range slices.Sorted(maps.Keys(ps.all)) {
		p := ps.all[id]
		if !p.waits {
			p.waits = true
			ps.flying--
			ps.bytes -= p.cost()
		}
		if p.forgotten() || !p.begun.IsZero() && ps.topics[p.message.Topic].answered > id {
			continue // its context will end
		}
		ps.waiting = append(ps.waiting, p)
	}
}

// abandon answers all publications.
func (b *Broker) abandon(cause error) {
	var all []*publication
	b.mu.Lock()
	for _, id := range slices.Sorted(maps.Keys(b.pubs.all)) {
		all = append(all, b.pubs.take(id))
	}
	b.pubs.waiting = nil
	b.mu.Unlock()
	for _, p := range all {
		p.release()
		p.done(hub.Position{}, p.unanswered(cause))
	}
}

// Publish makes Broker a [hub.Broker].
func (b *Broker) Publish(ctx context.Context, m *hub.Envelope, done func(hub.Position, error)) {
	p := &publication{message: m, done: done}
	if !m.Unstored {
		p.ttl = b.opts.ttl(b.opts.age(m.Topic))
	}
	b.mu.Lock()
	var err error
	switch s := b.session; {
	case b.closed:
		err = errClosed
	case s == nil || b.epoch == 0:
		err = b.cause
	case !b.pubs.add(p):
		err = fmt.Errorf("%w: %d messages wait for NATS already", hub.ErrLinkDown, len(b.pubs.all))
	default:
		id := p.id
		p.release = context.AfterFunc(ctx, func() { b.expire(id, context.Cause(ctx)) })
		s.rouse()
	}
	b.mu.Unlock()
	if err != nil {
		done(hub.Position{}, err)
	}
}

// expire answers a publication whose context has ended.
func (b *Broker) expire(id uint64, cause error) {
	b.mu.Lock()
	p := b.pubs.take(id)
	s := b.session
	b.mu.Unlock()
	if p == nil {
		return
	}
	if s != nil {
		s.rouse() // there may be room for others
	}
	p.done(hub.Position{}, p.unanswered(cause))
}

// finish answers a publication.
func (b *Broker) finish(id uint64, at hub.Position, err error) {
	b.mu.Lock()
	p := b.pubs.take(id)
	if p != nil && err == nil {
		if f := b.pubs.topics[p.message.Topic]; f != nil {
			f.answered = max(f.answered, id)
		}
	}
	s := b.session
	b.mu.Unlock()
	if p == nil {
		return
	}
	p.release()
	if s != nil {
		s.rouse()
	}
	p.done(at, p.refused(err))
}
