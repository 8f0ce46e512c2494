package hub

import (
	"context"
	"errors"
	"time"
)

// Broker joins hubs, each of which is a node: a message that is published at one node is
// delivered at all nodes that have joined its topic, in the same order everywhere. Each node has
// a Broker of its own, its end of the connection to the others. Package hub/brokertest has the
// tests that each implementation must pass; [MemoryBroker] is the implementation within one
// process, and package hub/natsbroker has the one for several machines, on NATS JetStream.
//
// # Positions
//
// A broker gives each message a [Position], which identifies it at all nodes. There is one
// sequence: offsets grow over all topics, from 1, so the offsets of one topic have gaps. The
// epoch, which is not 0, changes when the broker cannot continue its sequence; Linked then
// reports the new one.
//
// # What a broker does not do
//
// A broker need not keep anything for a node whose connection is down, nor join what the node
// missed with what follows: the hub does that, with History. A broker may deliver a message
// again, which the hub recognises by its offset, but it must not deliver a new message after one
// with a higher offset.
//
// All methods except Close are safe from any goroutine, and may be called from within the
// methods of [Node]. Methods with a context wait no longer than the context lasts.
type Broker interface {
	// Attach starts the delivery: from now on, until Close, the broker calls n. It is called
	// once, and does not wait for a connection.
	Attach(n Node)

	// Publish publishes a message, and does not wait for that. It calls done once, when the
	// message has its position, perhaps after the message has been delivered. done is called
	// from any goroutine, perhaps before Publish returns, and without a lock; it does not block.
	// The publishing node gets the message in the same way as all others, if it has joined the
	// topic. The error wraps ErrLinkDown if the message has certainly not been published, and
	// otherwise ErrUnacknowledged; at the latest, done gets an error when ctx is done. Messages
	// that one goroutine publishes to a topic keep their order, and any number of them may be in
	// flight. Neither m nor its data changes.
	Publish(ctx context.Context, m *Envelope, done func(Position, error))

	// Join requests the messages of a subject: a topic, or a pattern as [CheckPattern] describes
	// it. All messages after the returned position are delivered, and some before it may be. A
	// message that matches several subjects may be delivered once for each. After an error,
	// which wraps ErrLinkDown if the connection is the cause, the subject is not joined.
	//
	// A subject is joined once, and again only after Leave. After an interruption the broker
	// joins it again by itself.
	Join(ctx context.Context, subject string) (Position, error)

	// Leave is the opposite of Join. It does not wait and calls no method of Node, since the hub
	// holds locks. Some messages may still be delivered, but none that is published after a
	// later Join of the subject has returned.
	Leave(subject string)

	// History returns what the broker holds of a subject. The error wraps ErrNoHistory if the
	// broker keeps no history, or ErrLinkDown.
	History(ctx context.Context, q HistoryQuery) (HistoryPage, error)

	// Close ends the broker. After it has returned, Node is not called any more, and all other
	// methods fail.
	Close() error
}

// Syncer is a [Broker] that can tell when published messages have been delivered. With it, the
// end of a subscription comes after all messages that were published before it, at any node.
type Syncer interface {
	// Sync returns when all stored messages of joined subjects that any node had published, with an
	// answer to the publisher, before the call have been delivered here. The error wraps
	// ErrLinkDown, or is that of ctx.
	Sync(ctx context.Context) error
}

// Unstorer is a [Broker] that can also pass messages on without storing them, for topics with
// TopicOptions.Unstored. Their envelopes have Unstored set: for Publish by the hub, for Deliver by the broker. Such
// a message has no position, and is not part of the sequence or of any history. Publish answers it
// with a zero Position when it has been sent, which says nothing about its arrival. It is delivered
// once at each node that has joined its topic in either way, or a pattern that matches, after all that its publisher sent
// before it. While the connection of a node is down, messages to the node are lost, and Lost is called.
type Unstorer interface {
	// JoinUnstored is Join for a topic whose messages are not stored. Those that any node publishes
	// after it has returned are delivered; if the nodes are connected to different servers of the
	// broker, those that are published soon after it. Stored messages of the topic are delivered
	// from some message on.
	JoinUnstored(ctx context.Context, topic string) error
}

// Node is the part of a [Hub] that its [Broker] calls. The broker calls it from one goroutine at
// a time, and holds no lock that the methods of Broker need. A call may take a while, when
// subscribers are slow or history is fetched. The broker bounds what waits in the meantime: when
// it is too much, the broker drops it, and calls Lost and Linked.
type Node interface {
	// Deliver takes a message with its position. The hub retains m.
	Deliver(m *Envelope)

	// Linked reports that the connection is up, for the first time or again, and that all
	// messages of joined subjects after at are delivered from here on. A broker that continues
	// where it was interrupted passes the position of the last message that it delivered, or an
	// earlier one: then no stored message was missed. Otherwise at is the present position of the
	// sequence, and the hub fetches what it missed before that.
	Linked(at Position)

	// Lost reports that the connection is down, or that messages were lost, stored or not. Nothing is
	// delivered until Linked is called.
	Lost(cause error)
}

// Envelope is a message on its way between nodes. Each node encodes it for its own subscribers.
type Envelope struct {
	Topic  string
	Kind   Kind // see Message.Kind
	Data   []byte
	Key    string // see Message.Key
	Origin Origin
	// ID, if not "", is that of the message: for half a minute or more, the broker publishes no
	// other one to the topic with the same ID, and answers with the position of the first. Messages that are not stored
	// have no use for it. It is not delivered.
	ID string
	// Unstored says that the message is not stored: see Unstorer. Position is zero then.
	Unstored bool

	// Set by the broker for delivery.
	Position Position
	Time     time.Time // when the broker gave it the position
}

// Origin identifies the publisher of a message, which may have to be left out of the delivery.
// Only the publisher's node interprets it. The zero value means that no subscriber is excluded.
type Origin struct {
	Node      uint64
	Publisher uint64
}

// HistoryQuery asks for the newest messages of a subject between two offsets of the broker's
// present epoch.
type HistoryQuery struct {
	Subject  string    // a topic, or a pattern
	After    uint64    // only messages with higher offsets
	UpTo     uint64    // HistoryQuery.UpTo, or the end of the sequence if that is lower
	Since    time.Time // only messages that are not older, if not zero
	Messages int       // only the newest ones, at most this number; no limit if 0
	Bytes    int       // only the newest ones, at most this size, counted as in Limit; no limit if 0
}

// HistoryPage is the answer to a HistoryQuery. Messages has all messages of the subject after
// From, up to UpTo.
type HistoryPage struct {
	Epoch    uint64
	From     uint64      // at least HistoryQuery.After
	UpTo     uint64      // up to this one: that of the query, or of the sequence if it has not come so far
	Messages []*Envelope // in order
}

// Errors of a [Broker], which the returned errors wrap.
var (
	// ErrLinkDown says that the broker cannot be reached, and that nothing was done.
	ErrLinkDown = errors.New("hub: the connection to the broker is down")
	// ErrUnacknowledged says that the broker did not confirm a message, which may have been
	// published or not.
	ErrUnacknowledged = errors.New("hub: the broker has not confirmed the message; it may have been published")
	// ErrNoHistory says that the broker keeps no history.
	ErrNoHistory = errors.New("hub: the broker keeps no history")
)
