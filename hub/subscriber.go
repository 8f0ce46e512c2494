package hub

import "github.com/fanfare-ws/fanfare/netpoll"

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

// UnsubscribeHandler is a [Subscriber] of a member that stays open when the server ends one of
// its subscriptions: see [Hub.Disconnect]. Any other subscriber is closed then.
type UnsubscribeHandler interface {
	// OnUnsubscribe is called when the server has ended the subscription and the member has got
	// what was published before. It is called by the caller of Hub.Disconnect, or by a goroutine
	// of its own, so it may block.
	OnUnsubscribe(topic string, why CloseReason)
}
