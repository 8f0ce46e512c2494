package hub

import (
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// Subscriber takes what is published. Its methods are called from any goroutine
// and must not block; its dynamic type is comparable, as a pointer is. Package wshub
// makes one of a WebSocket connection.
type Subscriber interface {
	// Loop says which loop's workers deliver to the subscriber; it does not change. It is
	// below Workers.Loops, or taken modulo that.
	Loop() int
	// Send takes what an Encoding of the subscriber's subscriptions has made, or refuses it
	// whole. It must not panic.
	Send(e Encoded) netpoll.Outcome
	// WhenDrained schedules t once, as soon as all that was taken has left, or the
	// subscriber is closed; at once if that is so now. It is called when Send
	// has answered Queued or Full: the subscription gets nothing more until then. There
	// is one t for each subscription: a subscriber that has several remembers all that
	// wait. t's Schedule takes locks of the hub, but calls no subscriber.
	WhenDrained(t interface{ Schedule() })
	// Close is called when the hub closes the subscriber. It has to unsubscribe
	// as part of its end.
	Close(why CloseReason)
}

// ConnSubscriber is a [Subscriber] that sends by writing to a connection. Then the fan-out
// writes to many such connections in one system call, and does not call Send.
type ConnSubscriber interface {
	Subscriber
	// Write returns the connection, always the same, and what Send would write to it; a nil
	// buffer if Send does more than that, or refuses e.
	Write(e Encoded) (*netpoll.Conn, *netpoll.Buffer)
}

// DropHandler is a [Subscriber] that is told of messages it does not get, because it is slow
// and its topic drops.
type DropHandler interface {
	// OnDrop is called by the fan-out, and must not block.
	OnDrop(topic string, messages int64)
}

// EncodingChecker is a [Subscriber] that cannot send what every encoding makes.
type EncodingChecker interface {
	// CheckEncoding returns why Send cannot take what e makes, or nil. Subscribe returns that.
	CheckEncoding(e Encoding) error
}

// writeOf returns the connection to write e to, and the bytes; a nil buffer if the
// subscriber has to send it.
func writeOf(to Subscriber, e Encoded) (*netpoll.Conn, *netpoll.Buffer) {
	if m, ok := to.(*Member); ok {
		to = m.to
	}
	if to, ok := to.(ConnSubscriber); ok {
		return to.Write(e)
	}
	return nil, nil
}

// Subscription is a subscriber's place in a topic. It is kept by value where the
// subscriber's other state is. Its methods are safe from any goroutine.
//
// It has 48 bytes, and costs the topic another 8 to 10; 48 more if it ever lagged
// behind. A topic of one subscriber weighs up to 640 bytes in all.
type Subscription struct {
	to     Subscriber
	shard  *shard
	cursor uint64 // number of the first message that it has not got, or a lower one
	lag    *lag   // nil if it is not behind and lost nothing
	slot   int32  // in shard.list
	flags  atomic.Uint32
}

// The bits of Subscription.flags.
const (
	flagGone    = 1 << iota // it has left its topic, and gets what was published before
	flagPaused              // until Resume
	flagSkipped             // it had left already when a walk came by
	flagDone                // it has got all that it gets
	flagWaits               // it is in drain.waiting; under drain.mu

	encodingShift = 24 // above it is the encodingID, set before it is subscribed
)

// gone reports whether the subscriber gets nothing more of what is published.
func (s *Subscription) gone() bool { return s.flags.Load()&flagGone != 0 }

// done reports whether the subscriber gets nothing any more.
func (s *Subscription) done() bool { return s.flags.Load()&flagDone != 0 }

func (s *Subscription) encoding() encodingID { return encodingID(s.flags.Load() >> encodingShift) }

// behind reports whether the subscriber gets nothing until it has drained, and then
// what it missed. For the walk of its shard alone to ask.
func (s *Subscription) behind() bool { return s.lag != nil && s.lag.behind }

// lag is what there is to know of a subscriber that is behind, or was.
type lag struct {
	kept    *kept  // what it gets before it goes on with the log, or ends; nil if nothing of its own
	leave   *leave // how it ends; nil as long as it does not
	backlog backlog
	dropped atomic.Int64
	behind  bool
	replay  bool  // it began behind, and may be as far as history is
	refused uint8 // in a row
}

// Start says where in a topic a subscription begins. The zero value: with the
// next message.
type Start struct {
	After *Position // after this one: what was missed since
	Last  int       // with the last ones of the topic's history, if After is nil
}

// SubscribeOptions say how to subscribe. The zero value works.
type SubscribeOptions struct {
	Start
	// Owner is whose topic it is if it begins with this subscription: see
	// Options.MaxTopicsPerOwner. A [Member] has its Identity's.
	Owner string
	// Encoding says how messages and events come. It is required.
	Encoding Encoding
	// Presence, if not nil, asks for who is in the topic, which has to keep it. It is for
	// Member.Subscribe, which sets it to who is there, sorted, to be read only; from then
	// on the connection gets events, as Encoding.EncodeEvent returns them, about who
	// comes and goes, that member included. List and events fit together.
	Presence *[]Person
	// Paused has the subscription begin as usual, but hand out nothing until Resume is
	// called, so that the subscriber can be told first. What is published meanwhile
	// is kept for it as for one that is slow: the topic's limit holds.
	Paused bool
}

// subscribe adds s to the topic, and reports false if that has ended. at is where it
// begins: after the last message that it does not get.
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

// startLocked returns the number of the first message that a subscriber gets.
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

// Unsubscribe takes the subscriber out of its topic: an event in the topic's order. What is
// published after it does not reach the subscriber, and does not count it as a receiver. What
// was published before it does: it is handed over soon, perhaps after Unsubscribe has
// returned, to a subscriber that is slow within its topic's limit and Options.EndTimeout.
// Nothing comes of it if the subscriber is closed, or the subscription is paused. With a
// [Broker] a message is published when it has come back from that.
//
// Unsubscribe waits for nothing, so it may be called from within a delivery. A second call
// does nothing.
func (s *Subscription) Unsubscribe() { s.leave(nil, true) }

// end ends the subscription on behalf of the server.
func (s *Subscription) end(how *closeAction) {
	if m, ok := s.to.(*Member); ok {
		m.end(s, how)
	} else {
		s.leave(how, false)
	}
}

// Resume has a subscription that began paused go on. A second call does nothing.
func (s *Subscription) Resume() {
	if s.flags.And(^uint32(flagPaused))&flagPaused != 0 {
		s.Schedule()
		if m, ok := s.to.(*Member); ok {
			m.resumed(s)
		}
	}
}

// Publish sends m to all subscribers of the topic, as [Hub.Publish] does. Only who has
// subscribed may call it. To a pattern nothing is published: Hub.PublishMatching
// does something else.
func (s *Subscription) Publish(m Message) (Receipt, error) {
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

// Subscriber returns who has subscribed.
func (s *Subscription) Subscriber() Subscriber { return s.to }

// Dropped returns how many messages the subscriber did not get by its topic's policy.
func (s *Subscription) Dropped() int64 {
	t := s.shard.topic
	t.mu.Lock() // under which lag is set
	defer t.mu.Unlock()
	if s.lag == nil {
		return 0
	}
	return s.lag.dropped.Load()
}
