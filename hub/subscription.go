package hub

import (
	"fmt"
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// Subscriber takes what is published. Its methods are called from any goroutine and must not
// block. Its dynamic type is comparable, as a pointer is. Package wshub makes a WebSocket
// connection a Subscriber.
type Subscriber interface {
	// Loop returns the loop whose workers deliver to the subscriber; it does not change. A value
	// that is not below Workers.Loops is taken modulo that.
	Loop() int
	// Send takes what an Encoding of the subscriber's subscriptions has made, or refuses it as a
	// whole. It must not panic.
	Send(e Encoded) netpoll.Outcome
	// WhenDrained calls t.Schedule once, as soon as all that was taken has left or the
	// subscriber is closed, and at once if that is so already. The hub calls it after Send has
	// answered Queued or Full: the subscription gets nothing until Schedule is called. Each
	// subscription passes its own t, so a subscriber with several subscriptions must remember
	// all that wait. t.Schedule takes locks of the hub, but calls no subscriber.
	WhenDrained(t interface{ Schedule() })
	// Close is called when the hub closes the subscriber, which must then unsubscribe.
	Close(why CloseReason)
}

// ConnSubscriber is a [Subscriber] that sends by writing to a connection. The fan-out writes to
// many such connections in one system call, instead of calling Send.
type ConnSubscriber interface {
	Subscriber
	// Write returns the connection, always the same, and the bytes that Send would write to it.
	// The buffer is nil if Send would do more than that, or would refuse e.
	Write(e Encoded) (*netpoll.Conn, *netpoll.Buffer)
}

// DropHandler is a [Subscriber] that is told about messages that it did not get because it is
// slow and its topic drops messages.
type DropHandler interface {
	// OnDrop is called by the fan-out, and must not block.
	OnDrop(topic string, messages int64)
}

// EncodingChecker is a [Subscriber] that supports only some encodings.
type EncodingChecker interface {
	// CheckEncoding returns nil if Send can take what e makes, and otherwise the reason, which
	// Subscribe returns.
	CheckEncoding(e Encoding) error
}

// writeOf returns the connection to which to write e, and the bytes. The buffer is nil if the
// subscriber's Send must be called.
func writeOf(to Subscriber, e Encoded) (*netpoll.Conn, *netpoll.Buffer) {
	if m, ok := to.(*Member); ok {
		to = m.to
	}
	if to, ok := to.(ConnSubscriber); ok {
		return to.Write(e)
	}
	return nil, nil
}

// Subscription is a subscriber's place in a topic. The caller embeds it by value in the
// subscriber's state. Its methods are safe from any goroutine.
//
// It has 48 bytes, and costs the topic another 8 to 10; a subscription that lags behind, or has
// lost messages, has 48 bytes more. A topic with one subscriber weighs up to 640 bytes in all.
type Subscription struct {
	to     Subscriber
	shard  *shard
	cursor uint64 // sequence number of the first message that it has not got, or a lower one
	lag    *lag   // nil if it is up to date and has lost nothing
	slot   int32  // in shard.list
	flags  atomic.Uint32
}

// The bits of Subscription.flags.
const (
	flagGone    = 1 << iota // it has left its topic, and gets only what was published before
	flagPaused              // it waits for Resume
	flagSkipped             // it had left already when the pass came to it
	flagDone                // it gets nothing any more
	flagWaits               // it is in drain.waiting; under drain.mu

	encodingShift = 24 // the bits above are the encodingID, set when it is subscribed
)

// gone reports whether the subscription has left its topic.
func (s *Subscription) gone() bool { return s.flags.Load()&flagGone != 0 }

// done reports whether the subscription gets nothing any more.
func (s *Subscription) done() bool { return s.flags.Load()&flagDone != 0 }

func (s *Subscription) encoding() encodingID { return encodingID(s.flags.Load() >> encodingShift) }

// behind reports whether the subscriber must drain before it gets what it missed. Only its
// shard's pass may ask.
func (s *Subscription) behind() bool { return s.lag != nil && s.lag.behind }

// lag is the state of a subscription that is behind, or has lost messages.
type lag struct {
	kept    *kept  // what it gets before it continues with the log, or ends; nil if nothing is kept for it
	leave   *leave // how it ends; nil while it does not
	backlog backlog
	dropped atomic.Int64
	behind  bool
	replay  bool  // it began behind, and may lag as far as the history reaches
	refused uint8 // messages, in a row
}

// Start says where in a topic a subscription begins. The zero value begins with the next
// message.
type Start struct {
	After *Position // after this position, so that nothing is missed since then
	Last  int       // with the last messages of the topic's history, if After is nil
}

// SubscribeOptions configure a subscription. Encoding is required.
type SubscribeOptions struct {
	Start
	// Owner owns the topic if it begins with this subscription: see Options.MaxTopicsPerOwner.
	// For a [Member] its Identity counts instead.
	Owner string
	// Encoding turns messages and events into bytes.
	Encoding Encoding
	// Presence, if not nil, asks Member.Subscribe for the people in the topic, which must track
	// presence. Subscribe sets it to the sorted list, which must not be modified. From then on
	// the connection gets events, as Encoding.EncodeEvent returns them, about people that join
	// and leave, the member itself included. The list and the events fit together: each change
	// is in one of them.
	Presence *[]Person
	// Paused has the subscription deliver nothing until Resume is called, so that the subscriber
	// can first be told that it has begun. Messages that are published meanwhile wait as for a
	// slow subscriber: the topic's limit applies.
	Paused bool
}

// subscribe adds s to the topic. ok is false if the topic has ended. at is where s begins: after
// the last message that it does not get.
func (t *Topic) subscribe(s *Subscription, to Subscriber, id encodingID, o SubscribeOptions) (at Position, ok bool, err error) {
	loop := to.Loop()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return at, false, nil
	}
	if t.hub.closed.Load() {
		return at, true, ErrClosed
	}
	if err := t.hub.admit(); err != nil {
		return at, true, err
	}
	t.trimLocked()
	seq, err := t.startLocked(o.Start)
	if err == nil {
		err = t.presence.join(to)
	}
	if err != nil {
		t.hub.subscriptions.Add(-1)
		return t.positionLocked(), true, err
	}
	sh := t.shardLocked(loop)
	if sh.members == 0 {
		sh.skipLocked()
	}
	s.to, s.shard, s.cursor = to, sh, seq
	s.flags.Or(uint32(id) << encodingShift)
	if seq < sh.taken || o.Paused {
		s.lag = &lag{behind: true, replay: seq < sh.taken, backlog: backlog{at: t.log.endBefore(seq)}}
		t.laggards++
	}
	t.reportLocked()
	sh.add(s)
	sh.members++
	t.count++
	t.retired = false
	if o.Paused {
		s.flags.Or(flagPaused)
	} else if s.behind() {
		s.Schedule()
	}
	return Position{t.epoch, t.log.before(seq)}, true, nil
}

// startLocked returns the sequence number of the first message that a subscriber gets.
func (t *Topic) startLocked(o Start) (seq uint64, err error) {
	l := &t.log
	switch {
	case o.After != nil:
		p := *o.After
		if p.Epoch != t.epoch || p.Offset < l.lost || p.Offset > l.last {
			return 0, &TooOldError{p, Position{t.epoch, l.lost}, t.positionLocked()}
		}
		return l.seqAt(l.segs.search(func(e *entry) bool { return e.offset > p.Offset })), nil
	case o.Last > 0 && t.opts.History.kept():
		return max(t.historyLocked(), t.boundLocked(l.next, uint64(o.Last), 1<<62)), nil
	}
	return l.next, nil
}

// Unsubscribe takes the subscriber out of its topic: an event in the topic's order. A message
// that is published after it neither reaches the subscriber nor counts it as a receiver. A
// message that was published before it is delivered, perhaps after Unsubscribe has returned; to
// a slow subscriber within its topic's limit and Options.EndTimeout. Nothing more is delivered
// if the subscriber is closed, or the subscription is paused. With a [Broker] a message counts
// as published when it has come back from the broker.
//
// Unsubscribe does not wait, so it may be called during a delivery. A second call does nothing.
func (s *Subscription) Unsubscribe() { s.leave(nil, true) }

// end ends the subscription on behalf of the server.
func (s *Subscription) end(how *closeAction) {
	if m, ok := s.to.(*Member); ok {
		m.end(s, how)
	} else {
		s.leave(how, false)
	}
}

// Resume continues a subscription that began paused. A second call does nothing.
func (s *Subscription) Resume() {
	if s.flags.And(^uint32(flagPaused))&flagPaused != 0 {
		s.Schedule()
		if m, ok := s.to.(*Member); ok {
			m.resumed(s)
		}
	}
}

// Publish sends m to all subscribers of the topic, as [Hub.Publish] does. The error wraps
// ErrNotSubscribed if the subscription has not begun. For a pattern Publish does nothing; see
// Hub.PublishMatching.
func (s *Subscription) Publish(m Message) (Receipt, error) {
	if s.shard == nil {
		return Receipt{}, fmt.Errorf("%w: the subscription has not begun", ErrNotSubscribed)
	}
	t := s.shard.topic
	if t.pattern {
		return Receipt{}, nil
	}
	if t.hub.node != nil {
		return t.hub.await(creatorOf("", s.to), t.name, m)
	}
	return t.hub.publish(creatorOf("", s.to), t, m)
}

// Topic returns the name of the topic.
func (s *Subscription) Topic() string { return s.shard.topic.name }

// Subscriber returns the subscriber that was passed to Subscribe, or the *Member.
func (s *Subscription) Subscriber() Subscriber { return s.to }

// Dropped returns the number of messages that the subscriber did not get because of its topic's
// policy.
func (s *Subscription) Dropped() int64 {
	t := s.shard.topic
	t.mu.Lock() // lag is set under it
	defer t.mu.Unlock()
	if s.lag == nil {
		return 0
	}
	return s.lag.dropped.Load()
}
