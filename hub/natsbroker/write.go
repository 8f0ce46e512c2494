package natsbroker

import (
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/fanfare-ws/fanfare/hub"
)

// waiter waits for a probe that is stored after everything that was written before it. The probe's
// copy comes back after all messages that were stored before it. Broker.mu guards it until done is
// closed.
type waiter struct {
	err  error
	done chan struct{} // closed when err is set, or the probe has come back
	// then, if it is not nil, is called with the broker locked when the probe has come back.
	then func(seq uint64)
}

func newWaiter(then func(uint64)) *waiter { return &waiter{done: make(chan struct{}), then: then} }

// fail ends the waiting. A probe that comes back later does nothing.
func (w *waiter) fail(err error) {
	select {
	case <-w.done: // an earlier probe has come back
	default:
		w.err = err
		close(w.done)
	}
}

// ok ends the waiting: the probe was stored at seq.
func (w *waiter) ok(seq uint64) {
	select {
	case <-w.done:
	default:
		if w.then != nil {
			w.then(seq)
		}
		close(w.done)
	}
}

// write does what there is to do for a session, in order, and publishes. See the package's comment for
// who else writes to the connection.
func (b *Broker) write(s *session) {
	subscriptions := make(map[string]*nats.Subscription)
	s.rouse()
	for {
		select {
		case <-s.ended:
			return
		case <-s.wake:
		}
		for b.writeOps(s, subscriptions) || b.writeNext(s) {
			continue
		}
	}
}

// writeOps does what waits, and then sends a probe for all waiters. It returns false if nothing
// waits.
func (b *Broker) writeOps(s *session, subscriptions map[string]*nats.Subscription) bool {
	b.mu.Lock()
	ops := s.ops
	s.ops = nil
	b.mu.Unlock()
	var waiters, flushed []*waiter
	for _, o := range ops {
		if o.subscribe != "" {
			sub, err := s.nc.ChanSubscribe(o.subscribe, s.arrived)
			if err != nil {
				b.failWaiter(o.waiter, fmt.Errorf("%w: subscribing: %w", hub.ErrLinkDown, err))
				continue
			}
			subscriptions[o.subscribe] = sub
		}
		if sub := subscriptions[o.unsubscribe]; sub != nil {
			_ = sub.Unsubscribe() // it fails when the connection has ended
			delete(subscriptions, o.unsubscribe)
		}
		switch {
		case o.waiter != nil && o.flush:
			flushed = append(flushed, o.waiter)
		case o.waiter != nil:
			waiters = append(waiters, o.waiter)
		}
	}
	if len(flushed) > 0 {
		b.done.Go(func() { b.flush(s, flushed) })
	}
	if len(waiters) > 0 {
		b.writeProbe(s, waiters)
	}
	return len(ops) > 0
}

func (b *Broker) failWaiter(w *waiter, err error) {
	if w != nil {
		b.mu.Lock()
		w.fail(err)
		b.mu.Unlock()
	}
}

// writeProbe sends a probe.
func (b *Broker) writeProbe(s *session, waiters []*waiter) {
	b.mu.Lock()
	if s.probes == nil { // the session has ended
		for _, w := range waiters {
			w.fail(b.cause)
		}
		b.mu.Unlock()
		return
	}
	b.probe++
	s.probes[b.probe] = waiters
	number := strconv.FormatUint(b.probe, 10)
	b.mu.Unlock()
	_ = s.nc.PublishMsg(&nats.Msg{ // if it fails, the session ends
		Subject: b.subjects.inProbe + b.id, Reply: s.inbox + "p", Data: []byte(number),
		Header: nats.Header{headerTTL: {b.opts.ttl(b.opts.MinAge)}},
	})
}

// writeNext publishes the next message, if there is one and not too many are on their way.
func (b *Broker) writeNext(s *session) bool {
	var p *publication
	b.mu.Lock()
	if s.ready {
		p = b.pubs.next()
	}
	b.mu.Unlock()
	if p == nil {
		return false
	}
	if p.message.Unstored {
		b.writeUnstored(s, p)
		return true
	}
	err := s.nc.PublishMsg(&nats.Msg{
		Subject: b.subjects.inTopic + escape(p.message.Topic), Reply: s.inbox + strconv.FormatUint(p.id, 10), Data: p.message.Data,
		Header: nats.Header{headerContent: {contentHeader(p.message)}, headerTTL: {p.ttl}, headerID: {b.messageID(p)}},
	})
	if err != nil && s.nc.IsConnected() { // it is not the connection, but the message
		b.finish(p.id, hub.Position{}, fmt.Errorf("%w: %w", hub.ErrLinkDown, err))
	}
	return true
}
