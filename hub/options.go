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
	// Workers run the deliveries; Goroutines(1) if nil. Package wshub has the workers of a
	// wsproto.Server.
	Workers Workers
	// Topic returns the options of the topic or pattern with that name. The goroutine that would
	// begin the topic calls it, perhaps several at a time. With a Broker it is also called for each
	// message to a topic that does not exist at this node. A nil Topic and a nil result stand for
	// the zero TopicOptions. The result is copied. If it is not valid the topic does not begin: Subscribe
	// and Publish return an error that says what is wrong. No lock of the hub is held meanwhile.
	Topic func(name string) *TopicOptions
	// OnOccupied, if not nil, is called with true when a topic or pattern has got its first
	// subscriber at this node, and with false when its last one has left. Of changes that cancel
	// each other out before they are told, nothing is told. A subscription by pattern occupies the
	// pattern, not the topics that match, and history does not occupy a topic. The user's topic is
	// occupied by the user's members.
	OnOccupied func(topic string, occupied bool)
	// OnPresence, if not nil, is called when people have joined or left a topic that tracks
	// presence, whether anybody subscribes to that or not. Both lists are sorted; a person in joined may be
	// present already, with new Data; those in left have the Data with which they were told to have
	// joined. When a topic ends, people who are away within TopicOptions.PresenceGrace have left.
	//
	// The hub calls OnOccupied and OnPresence one at a time, for each topic in the order of the
	// events, holding no lock, soon after the event. They must not block, since events
	// wait for them in memory.
	//
	// With a Broker that is one of Peers, OnPresence is called at one node of the cluster for each
	// change: when somebody joins, at a node where the person is; when the person has left
	// everywhere, at the same node; and if that has ended, at one of the others. Then the end of a
	// topic at a node is not the end of presence, and the grace period always passes, except for a
	// single node that shuts down. All nodes should have the function, or none.
	OnPresence func(topic string, joined, left []Person)
	// MaxTopics bounds the number of topics, patterns and topics of users included; 1,048,576 if
	// 0. Beyond it Subscribe and Publish fail with ErrTooManyTopics if the topic does not exist.
	MaxTopics int
	// MaxTopicsPerOwner bounds the topics that one owner may have created; half of MaxTopics if
	// 0. An owner also may not have created more than eight times the number that is free, so
	// owners that create topics as fast as they can leave some to others. The program names the
	// owner, in Identity.Owner, SubscribeOptions.Owner and Hub.PublishAs; for an anonymous
	// client its address is best. The owner a/b is a part of the owner a, and shares what a may
	// still create. Beyond the limit the error is ErrTooManyTopics. Topics without an owner, and
	// a user's own topic, count for MaxTopics alone.
	MaxTopicsPerOwner int
	// MaxAllSubscriptions bounds the number of subscriptions; 16,777,216 if 0. A Member may not
	// have more than eight times the number that is free. Beyond it the error is ErrTooMany.
	MaxAllSubscriptions int
	// MaxAllPatterns bounds the number of patterns; 16,384 if 0. An owner may not have created
	// more than eight times the number that is free. Beyond it the error is ErrTooManyTopics.
	MaxAllPatterns int
	// MaxPresenceData bounds Identity.Data, in bytes; 131,072 if 0, and at most 61,440 with a Broker
	// that is one of Peers. Beyond it NewMember fails.
	MaxPresenceData int
	// MaxPresence bounds the memory for presence in all topics, in bytes: each person counts
	// with name, data and 256 bytes. An eighth of MaxMemory if 0, but at least 1 MiB; no limit
	// if negative. Beyond it a subscription that would make another person present fails with
	// ErrTooMany. People at other nodes count here too, with name, topic, data and 384 bytes; beyond
	// three quarters of the limit this node does not know further ones.
	MaxPresence int64
	// MaxSubscriptions bounds the subscriptions that a Member has at a time; 16,384 if 0.
	MaxSubscriptions int
	// MaxPatterns bounds how many of these may be patterns; 256 if 0. A message goes to all
	// patterns that match its topic, and very many patterns can match one name, so without this
	// limit a few clients could make each publish expensive.
	MaxPatterns int
	// MaxBacklog bounds the backlog of a slow [Member] over all its topics, in bytes, counted as
	// in [Limit]; 4 MiB if 0, no limit if negative. If the Limit of a single topic is higher,
	// that one applies to messages of that topic. Beyond it the topic's policy decides:
	// Disconnect closes the connection, the other policies drop the backlog of that topic.
	// History that is being replayed does not count.
	MaxBacklog int64
	// MaxMemory bounds the memory of all topics' logs, in bytes, counted as in [Limit]: history,
	// and the backlogs of slow subscribers, each message once however many share it. An eighth
	// of netpoll.MemoryLimit if 0, no limit if negative. Beyond it the topics that hold most
	// drop their oldest messages, which Stats.Shed counts, and then the backlogs that they keep
	// for subscribers with the policy DropNewest. A subscriber that still needed the dropped
	// messages has a gap, and its topic's policy decides what happens.
	MaxMemory int64
	// Broker joins this hub with others; nil if the hub stands alone. The caller closes the
	// broker, after the last use of the hub.
	Broker Broker
	// NodeName is the name of this node for people, such as that of the machine; see Hub.Nodes. Other
	// nodes see at most 255 bytes of it.
	NodeName string
	// BrokerTimeout bounds each wait of Publish, Subscribe and History for the broker; 5 s if 0.
	// It is also how long the broker may fail to answer when topics fetch what they missed.
	BrokerTimeout time.Duration
	// OnLink, if set, is called with the cause when the connection to the broker is lost, and
	// with nil when it is established. It must not block.
	OnLink func(cause error)
	// OnTold, if set, is called with the data of each [Hub.Tell] at any node, in the order of the
	// broker, after all messages that were published before it. Tell adds up the results of all
	// nodes. It must not block, nor call what waits for the broker.
	OnTold func(data []byte) int
	// EndTimeout bounds how long an ended subscription waits for a slow subscriber to take the
	// messages that were published before the end; 5 s if 0. After that the rest is dropped and
	// counted.
	EndTimeout time.Duration
	// Now is the clock, for tests; time.Now if nil.
	Now func() time.Time
}

// fillTotals fills in the limits that hold for the whole hub.
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

// DefaultMaxTopics is the default of Options.MaxTopics.
const DefaultMaxTopics = 1 << 20

// DefaultMaxSubscriptions is the default of Options.MaxSubscriptions.
const DefaultMaxSubscriptions = 16384

// The defaults of the Options that bound all owners together.
const (
	DefaultMaxAllPatterns      = 16384
	DefaultMaxAllSubscriptions = 1 << 24
	DefaultMaxPresenceData     = 128 << 10
)

// DefaultMaxPatterns is the default of Options.MaxPatterns.
const DefaultMaxPatterns = 256

// DefaultBrokerTimeout is the default of Options.BrokerTimeout.
const DefaultBrokerTimeout = 5 * time.Second

// DefaultEndTimeout is the default of Options.EndTimeout.
const DefaultEndTimeout = 5 * time.Second

// DefaultMaxBacklog is the default of Options.MaxBacklog.
const DefaultMaxBacklog = 4 << 20

const (
	// Disconnect closes the subscriber, with the cause TooSlow.
	Disconnect SlowPolicy = iota
	// DropNewest keeps the subscriber's backlog, up to the limit, and drops what is published
	// after that until the subscriber has taken its backlog. Subscribers that began to lag at
	// different times keep different messages, each up to the limit.
	DropNewest
	// DropOldest drops the oldest messages of the backlog.
	DropOldest
	// Conflate keeps only the latest message for each Message.Key, for values such as prices and
	// coordinates. A superseded message is dropped, from the history too. The limit bounds the
	// number of keys; beyond it the key that has not changed for longest is dropped.
	Conflate
)

var slowPolicyNames = [...]string{"disconnect", "drop-newest", "drop-oldest", "conflate"}

func (s SlowPolicy) String() string {
	if int(s) < len(slowPolicyNames) {
		return slowPolicyNames[s]
	}
	return fmt.Sprintf("SlowPolicy(%d)", uint8(s))
}

// ParseSlowPolicy returns the policy with that name, which is what String returns.
func ParseSlowPolicy(name string) (SlowPolicy, error) {
	for s, n := range slowPolicyNames {
		if n == name {
			return SlowPolicy(s), nil
		}
	}
	return 0, fmt.Errorf("hub: %q is not a policy for slow subscribers; it must be one of %s", name, strings.Join(slowPolicyNames[:], ", "))
}
