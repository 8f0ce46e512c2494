package hub

import (
	"sync"
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

// Hub holds topics. Its methods are safe for concurrent use and never wait for a subscriber. A
// publisher that is faster than the fan-out waits for the fan-out.
type Hub struct {
	opts      Options
	runLength int         // the constant, except in tests
	node      *brokerNode // nil without a broker
	encodings encodings
	started   sync.Once
	loops     int // set by start

	epochs     atomic.Uint64
	patternsAt atomic.Uint64 // changes when patterns begin or end
	members    atomic.Uint64 // the number of the last member

	subscriptions atomic.Int64
	presentBytes  atomic.Int64 // memory for presence

	mu       sync.RWMutex
	topics   map[string]*Topic
	index    index             // the same topics, ordered by name
	owners   map[string]*owner // by key
	patterns trie[*Topic]      // those of topics whose names are patterns
	retiring []*Topic          // patterns that have lost their last subscriber, the latest last
	aging    map[*Topic]struct{}
	sweeper  *time.Timer   // runs while topics are aging
	filled   *TopicOptions // of the topic that was created last

	memory  memory
	leaving leaving
	closed  atomic.Bool // Shutdown was called

	published atomic.Int64
	delivered atomic.Int64
	evicted   atomic.Int64
	dropped   atomic.Int64
}

// Topic is a name with subscribers, or a pattern with the subscribers to many names.
type Topic struct {
	hub     *Hub
	name    string
	opts    *TopicOptions
	epoch   uint64
	evicted atomic.Int64
	dropped atomic.Int64

	mu            sync.Mutex
	log           log
	reported      int64    // bytes held, as last reported to Hub.memory
	owner         *owner   // the owner that created it, nil if none is known; guarded by Hub.mu
	count         int      // subscribers
	laggards      int32    // subscribers that are behind
	pinned        int32    // laggards for which messages are kept, or that get nothing until they have drained
	ended         bool     // the hub has removed it
	pattern       bool     // name is a pattern; does not change
	presenceTopic bool     // it is the presence topic of another topic, and ends with that
	retired       bool     // it is no longer kept for its history alone: see Hub.retire
	shards        []*shard // of loops where there is or was a subscriber
	matching      []*Topic // the patterns that match, as of matchingAt
	matchingAt    uint64   // Hub.patternsAt
	remote        *remote  // nil without a broker

	presence *presence // nil if it is not kept
}

// shard is the subscribers of a topic that belong to one loop. Only its fan-out pass delivers to
// them, and changes their positions.
type shard struct {
	topic *Topic
	task  Task
	loop  int

	// Guarded by Topic.mu.
	members int
	cursor  uint64 // sequence number of the first message that no pass has delivered
	taken   uint64 // the same, but counts the pass under way as done
	at      uint64 // Topic.log.end before cursor

	mu        sync.Mutex
	list      []*Subscription
	due       []*Subscription // behind, and drained
	left      []*leave        // subscriptions in list that have left during the pass
	inPass    bool            // a pass is under way
	unpin     bool            // the pinned backlogs must be dropped: see unpinAll
	passEnded *sync.Cond      // a pass has ended; created by waitLocked
}

// Member is a connection that takes part in any number of topics. Its methods are safe from any
// goroutine. It is the [Subscriber] of its subscriptions, so a publisher passes the *Member as
// Message.Exclude to leave it out.
type Member struct {
	hub  *Hub
	to   Subscriber
	user string
	data string              // Identity.Data, which does not change
	val  atomic.Pointer[any] // Identity.Value; nil if it is nil
	key  *string             // Identity.Owner; nil if ""
	num  uint64

	mu      sync.Mutex // before the locks of the hub; not held while the broker is waited for
	left    bool
	wild    uint32          // subscriptions by pattern
	subs    []*Subscription // sorted by name, with the user's topic; a map would weigh five times as much
	joining *joining        // subscriptions under way, which are not in subs yet

	drain atomic.Pointer[drain] // created on first need
}
