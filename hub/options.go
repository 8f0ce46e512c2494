package hub

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// Options configures a [Hub]. The zero value works.
type Options struct {
	// Workers deliver; Goroutines(1) if nil. Package wshub has the workers of a wsproto.Server.
	Workers Workers
	// Topic returns how the topic, or the pattern, of that name is kept; called
	// once for each, when it begins, and, if there is a Broker, for each message to one
	// that is not at this node. nil, or a result of nil, stands for the zero
	// TopicOptions. The result is copied. It is called under a lock: it must not call
	// the hub.
	Topic func(name string) *TopicOptions
	// MaxTopics is how many topics there are at most, with patterns and the topics of
	// users; 1,048,576 if 0. Who would begin another gets ErrTooManyTopics.
	MaxTopics int
	// MaxTopicsPerOwner is how many of these one owner may have made; half of MaxTopics if 0.
	// Nor may it have made more than eight times what is free: so those who make topics as
	// fast as they can leave some to others. An owner is what the program says, in
	// Identity.Owner, SubscribeOptions.Owner and Hub.PublishAs: best the address of an
	// anonymous client. One called a/b is a part of the owner a, and has its share of what a
	// may yet make. Beyond it there is ErrTooManyTopics; what has no owner, and a user's own topic,
	// counts for MaxTopics alone.
	MaxTopicsPerOwner int
	// MaxAllSubscriptions is how many subscriptions there are at most; 16,777,216 if 0. A
	// Member may not have more than eight times what is free. Beyond it there is ErrTooMany.
	MaxAllSubscriptions int
	// MaxAllPatterns is how many patterns there are at most; 16,384 if 0. An owner may not
	// have made more than eight times what is free. Beyond it there is ErrTooManyTopics.
	MaxAllPatterns int
	// MaxPresenceData is how long Identity.Data may be, in bytes; 131,072 if 0. NewMember
	// fails beyond it.
	MaxPresenceData int
	// MaxPresence is what it may take to know who is present, in all topics, in bytes: name
	// and data of each, and 256; an eighth of MaxMemory if 0, but 1 MiB at least; no limit if
	// negative. Beyond it there is ErrTooMany for who would be present in another topic.
	MaxPresence int64
	// MaxSubscriptions is how many a Member may have at a time; 16,384 if 0.
	MaxSubscriptions int
	// MaxPatterns is how many of them may be by pattern; 256 if 0. A message goes to all
	// patterns that match, of which there can be very many for one name: so a few clients
	// could make it dear for everybody.
	MaxPatterns int
	// MaxBacklog bounds what waits for a [Member] that is slow, in all its topics together,
	// in bytes, counted as in [Limit]; 4 MiB if 0, no limit if negative; the limit of a single
	// topic, if that is more, for what is published there. What comes on top of
	// that is for the topic's policy: Disconnect closes the connection, the others drop what
	// waits of that topic. History that is played back does not count.
	MaxBacklog int64
	// MaxMemory bounds what the logs of all topics hold, history and what waits for slow
	// subscribers, in bytes, counted as in [Limit], once for all who share it; an eighth of netpoll.MemoryLimit if 0, no
	// limit if negative. Beyond it the topics that hold most forget their oldest messages,
	// which Stats.Shed counts, and what they keep for subscribers that drop the newest; a subscriber that has yet to get them has a gap, and its
	// topic's policy decides.
	MaxMemory int64
	// Broker joins this hub with others; nil for a hub of its own. It is the caller's to
	// close, after the last use of the hub.
	Broker Broker
	// BrokerTimeout is how long Publish, Subscribe and History wait for the broker at
	// most, each time that they ask it; 5 s if 0.
	BrokerTimeout time.Duration
	// OnLink, if set, is told that the link to the broker is down, and why, or, with nil,
	// that it is there. It must not block.
	OnLink func(cause error)
	// EndTimeout is how long a subscription that has ended waits for a subscriber that is
	// slow to take what was published before; 5 s if 0. Then the rest is dropped, and counted.
	EndTimeout time.Duration
	// Now is the clock, for tests; time.Now if nil.
	Now func() time.Time
}

// fillTotals fills in what bounds all together.
func (o *Options) fillTotals() {
	fill := func(n *int, most int) {
		if *n <= 0 {
			*n = most
		}
	}
	fill(&o.MaxTopics, DefaultMaxTopics)
	fill(&o.MaxTopicsPerOwner, max(o.MaxTopics/2, 1))
	fill(&o.MaxAllSubscriptions, DefaultMaxAllSubscriptions)
	fill(&o.MaxAllPatterns, DefaultMaxAllPatterns)
	fill(&o.MaxPresenceData, DefaultMaxPresenceData)
	bytes := func(n *int64, most int64) {
		if *n == 0 {
			*n = most
		} else if *n < 0 {
			*n = math.MaxInt64
		}
	}
	bytes(&o.MaxBacklog, DefaultMaxBacklog)
	bytes(&o.MaxMemory, netpoll.MemoryLimit()/8)
	bytes(&o.MaxPresence, max(o.MaxMemory/8, 1<<20))
}

// TopicOptions say how a topic is kept. The zero value keeps no history, and
// disconnects who is slow.
type TopicOptions struct {
	Slow    SlowPolicy // what is done about a subscriber that lags behind by more than Limit
	Limit   Limit      // defaults stand with the fields
	History History    // what is kept for those who come back
	// Presence has the topic know who is in it; see Hub.Presence. Patterns, and the
	// topics of users, do not.
	Presence bool
	// PresenceGrace is how long somebody stays away before it is told that they have
	// left; 2 s if 0, no time if negative.
	PresenceGrace time.Duration
}

// SlowPolicy is a topic's policy for subscribers that do not take what they are sent. As
// long as one lags behind by less than the topic's Limit it loses nothing.
type SlowPolicy uint8

const (
	// Disconnect closes the subscriber, with the cause TooSlow.
	Disconnect SlowPolicy = iota
	// DropNewest keeps what it has not taken yet, up to the limit, and drops what is
	// published after that until it has. Those who began to lag at different times keep
	// different messages, each up to the limit.
	DropNewest
	// DropOldest drops what it has not taken for longest.
	DropOldest
	// Conflate keeps only the latest message for each Message.Key, for prices and
	// positions: what it supersedes is dropped, for history too. The limit bounds the
	// number of keys; beyond it the longest unchanged is dropped.
	Conflate
)

var slowPolicyNames = [...]string{"disconnect", "drop-newest", "drop-oldest", "conflate"}

func (s SlowPolicy) String() string {
	if int(s) < len(slowPolicyNames) {
		return slowPolicyNames[s]
	}
	return fmt.Sprintf("SlowPolicy(%d)", uint8(s))
}

// ParseSlowPolicy returns the policy of that name, as String gives it.
func ParseSlowPolicy(name string) (SlowPolicy, error) {
	for s, n := range slowPolicyNames {
		if n == name {
			return SlowPolicy(s), nil
		}
	}
	return 0, fmt.Errorf("hub: %q is not a policy for slow subscribers; it must be one of %s", name, strings.Join(slowPolicyNames[:], ", "))
}

// Limit bounds what a subscriber may lag behind. Each message counts 224 bytes more
// than its data, which is what it takes to hold it, and a key of more than 32 bytes as well.
type Limit struct {
	Bytes    int // 1 MiB if 0
	Messages int // no other limit than Bytes if 0
}

// DefaultLimit is the Limit.Bytes of topics that state none.
const DefaultLimit = 1 << 20

// History bounds what a topic keeps; the first bound that is reached counts. It
// keeps nothing if Messages and Bytes are both 0. Of patterns that nobody listens to any
// more only the latest 64 keep theirs.
type History struct {
	Messages int           // no limit of that kind if 0
	Bytes    int           // as in Limit; 64 MiB if 0
	Age      time.Duration // an hour if 0; a topic without subscribers ends with its history
}

func (h History) kept() bool { return h.Messages > 0 || h.Bytes > 0 }

// unlimited is a number of messages that stands for any.
const unlimited = 1 << 62

// WithDefaults returns o as it is in force, with what is zero filled in.
func (o TopicOptions) WithDefaults() TopicOptions {
	o.fill()
	return o
}

// fill fills in what is zero.
func (o *TopicOptions) fill() {
	if o.Limit.Bytes <= 0 {
		o.Limit.Bytes = DefaultLimit
	}
	if o.Limit.Messages <= 0 {
		o.Limit.Messages = unlimited
	}
	if o.PresenceGrace == 0 {
		o.PresenceGrace = DefaultPresenceGrace
	}
	h := &o.History
	if !h.kept() {
		return
	}
	if h.Messages <= 0 {
		h.Messages = unlimited
	}
	if h.Bytes <= 0 {
		h.Bytes = 64 << 20
	}
	if h.Age <= 0 {
		h.Age = time.Hour
	}
}

// HasBroker reports whether h has a broker, so that Publish and Subscribe may wait.
func (h *Hub) HasBroker() bool { return h.node != nil }
