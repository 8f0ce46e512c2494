package hub

import (
	"sync/atomic"
	"time"
)

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
	flagEnded               // the server has ended it, so that its subscriber may not publish
	flagBegun               // Subscribe has set the other fields

	encodingShift = 24 // the bits above are the encodingID, set when it is subscribed
)

// Subscribed reports whether Subscribe has succeeded. Until then only its caller may call other methods.
func (s *Subscription) Subscribed() bool { return s.flags.Load()&flagBegun != 0 }

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

// Schedule is called when the subscriber has drained. It makes a *Subscription a Task.
func (s *Subscription) Schedule() {
	sh := s.shard
	sh.mu.Lock()
	sh.dueLocked(s)
	sh.mu.Unlock()
	sh.task.Schedule()
}

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

// backlog is what a subscription that is behind has yet to get, as it counts for its
// connection.
type backlog struct {
	at    uint64 // log.end before the cursor
	bytes int64  // the bytes that count now
}

// leave is the end of a subscription: an event with a place in its topic's order. The
// subscriber gets the messages published before it, within the limits for slow subscribers, and
// none after it.
type leave struct {
	sub     *Subscription
	how     endAction   // runs at the end; nil if there is none
	also    []endAction // of later calls that ended it too; under Topic.mu until it is done
	own     bool        // the subscriber asked for it
	cut     bool        // the subscriber gets nothing more
	inPass  bool        // a pass was under way, and its end detaches the subscription
	nothing bool        // there is no backlog to deliver
	gap     bool        // messages were lost and the policy is Disconnect, so it must not get later ones
	counted bool        // Hub.leaving counts it
	until   uint64      // sequence number of the first message that it does not get
	from    uint64      // shard.cursor at that moment
	taken   uint64      // shard.taken at that moment
	kept    *kept       // the messages held at that moment, if a pass was under way
	lost    int         // earlier messages that it does not get
	timer   *time.Timer
	late    atomic.Bool // Options.EndTimeout has passed
}

// endAction is an action at the end of subscriptions.
type endAction interface {
	// ended is called once for each subscription. If later is true, a fan-out pass calls it,
	// and it must not block.
	ended(s *Subscription, later bool)
}

// closeAction closes the subscriber.
type closeAction struct{ CloseReason }

func (c *closeAction) ended(s *Subscription, _ bool) { s.to.Close(c.CloseReason) }

// completion calls then when all of several subscriptions have ended.
type completion struct {
	left   atomic.Int32
	then   func()
	blocks bool // then may block
}

func (f *completion) ended(_ *Subscription, later bool) {
	switch {
	case f.left.Add(-1) > 0:
	case later && f.blocks:
		go f.then()
	default:
		f.then()
	}
}
