package hub

import (
	"context"
	"errors"
	"time"
)

// Broker joins hubs, each of which is a node: what is published at one of them is
// delivered at all that have joined its topic, in the same order everywhere. One node
// has one Broker, which is its end of the link to the others. hub/brokertest has the
// tests that each implementation has to pass; [MemoryBroker] is the one within a process.
//
// # Positions
//
// A broker gives each message a [Position], by which it is known at all nodes. There
// is one sequence: offsets grow over all topics, from 1, so those of one topic have gaps.
// The epoch, which is not 0, changes when the broker cannot go on with its sequence; then
// Linked tells.
//
// # What a broker does not do
//
// It need not keep anything for a node whose link is down, nor splice what was missed
// with what comes: the hub does that, with History. It may deliver a message again,
// which the hub knows by its offset, but not before one with a lower offset that is
// new.
//
// The methods are safe from any goroutine, also from within those of [Node], but for
// Close. Those with a context wait no longer than that lasts.
type Broker interface {
	// Attach begins: from now on, and until Close, the broker calls n. It is called
	// once, and does not wait for a link.
	Attach(n Node)

	// Publish has a message published, and does not wait for that. It calls done once, when
	// the message has its position, which may be after it has been delivered: from any
	// goroutine, perhaps before Publish returns, and without a lock. done does not block.
	// The node that publishes gets its messages by the same way as all others,
	// if it has joined the topic. An error wraps ErrLinkDown if the message has certainly
	// not been published, else ErrUnacknowledged; there is one at the latest when ctx is
	// done. The messages that one goroutine publishes are in order, and any number of them
	// may be in flight. m does not change, nor does its data.
	Publish(ctx context.Context, m *Envelope, done func(Position, error))

	// Join has the messages of a subject delivered: that is a topic, or a pattern, as of
	// [CheckPattern]. All messages after the position that it returns are delivered, and
	// some before it may be. A message that several subjects match may be delivered once
	// for each. If there is an error, which wraps ErrLinkDown if the link is the cause,
	// nothing has been joined.
	//
	// A subject is joined once, and once again only after Leave. The broker joins it
	// again by itself when the link returns.
	Join(ctx context.Context, subject string) (Position, error)

	// Leave is the opposite of Join. It does not wait, and calls nothing of Node, since the
	// hub holds locks. Some messages may come yet, but none that is published after a
	// later Join has returned.
	Leave(subject string)

	// History returns what the broker holds of a subject. The error wraps ErrNoHistory if it
	// keeps none, or ErrLinkDown.
	History(ctx context.Context, q HistoryQuery) (HistoryPage, error)

	// Close ends the broker. When it has returned, Node is not called any more, and
	// all other methods fail.
	Close() error
}

// Syncer is a [Broker] that can tell when what was published has been delivered. Then the
// end of a subscription has its place after all that was published before it, at any node.
type Syncer interface {
	// Sync returns when what was published before the call at any node, and its publisher
	// was told so, has been delivered here, as far as it is of joined subjects. An error
	// wraps ErrLinkDown, or is that of ctx.
	Sync(ctx context.Context) error
}

// Node is the side of a [Hub] that its [Broker] calls: by one goroutine at a time, and
// holding no lock that the methods of Broker need. A call may take a while, when
// subscribers are slow or history is fetched; what the broker has waiting in the
// meantime, it bounds: if it is too much, it drops it, and calls Lost and Linked.
type Node interface {
	// Deliver takes a message with its position. It becomes the hub's.
	Deliver(m *Envelope)

	// Linked tells that the link is there, for the first time or again, and that from here
	// on all messages after at are delivered which are of subjects that have been joined.
	// A broker that goes on by itself where it was interrupted says so with the position of
	// the last message that it delivered, or an earlier one: then nothing was missed.
	// Else at is where the sequence is now, and the hub sees to what is before that.
	Linked(at Position)

	// Lost tells that the link is down, or that messages were lost. Nothing is delivered
	// until Linked.
	Lost(cause error)
}

// Envelope is a message on its way between nodes. Each encodes it for itself.
type Envelope struct {
	Topic  string
	Kind   Kind // as Message.Kind
	Data   []byte
	Key    string // as Message.Key
	Origin Origin

	// Set by the broker, when it is delivered.
	Position Position
	Time     time.Time // when it was given that
}

// Origin says where a message comes from, so that its publisher can be left out. It
// has a meaning for that node only. The zero value stands for nobody.
type Origin struct {
	Node      uint64
	Publisher uint64
}

// HistoryQuery asks for the newest messages of a subject between two offsets, which
// have the broker's present epoch.
type HistoryQuery struct {
	Subject  string    // a topic, or a pattern
	After    uint64    // only messages with higher offsets
	UpTo     uint64    // only messages with this offset, or lower ones
	Since    time.Time // only messages that are as young, if not zero
	Messages int       // at most so many, the newest; no limit if 0
	Bytes    int       // at most so much, the newest, counted as in Limit; no limit if 0
}

// HistoryPage is the answer to a HistoryQuery.
type HistoryPage struct {
	Epoch    uint64
	From     uint64      // all messages after this offset are there,
	UpTo     uint64      // up to this one: that of the query, or of the sequence if it has not come so far
	Messages []*Envelope // in order
}

// Errors of a [Broker]. What is returned wraps them.
var (
	// ErrLinkDown says that the broker cannot be reached, and that nothing was done.
	ErrLinkDown = errors.New("hub: the link to the broker is down")
	// ErrUnacknowledged says that the broker did not confirm a message. It may have been
	// published or not.
	ErrUnacknowledged = errors.New("hub: the broker has not confirmed the message; it may have been published")
	// ErrNoHistory says that the broker keeps no history.
	ErrNoHistory = errors.New("hub: the broker keeps no history")
)
