package hub

import "context"

// Peers is a [Broker] through which nodes also know each other: each has a state, of which the
// others have copies, and each can ask all others. A hub with such a broker counts the people
// and lists the topics of all nodes.
type Peers interface {
	// SetState changes an entry of this node's state; a value of nil removes it. The other nodes
	// learn it in the order of the calls, soon, and also those that come later. It does not wait,
	// may be called under any lock of the hub, and calls no method of Node. The value does not
	// change. A key has at most 1 KiB, a value 64 KiB.
	SetState(key string, value []byte)

	// Ask asks all other nodes, and calls each for every answer, in one goroutine. It returns when
	// all nodes that are known have answered, or with an error that counts the answers that are
	// missing when ctx is done. The error wraps ErrLinkDown if nobody could be asked. A question
	// and an answer have at most 512 KiB.
	Ask(ctx context.Context, question []byte, each func(peer uint64, answer []byte)) error
}

// PeerNode is the part of a [Hub] that [Peers] calls, besides [Node]. A peer is another node; its
// number is that of its process, and does not come again. PeerChanged and PeerGone are called
// from the goroutine of Node's methods. Nothing is known of a peer's state while the connection
// is down, so what was known remains.
type PeerNode interface {
	Node

	// PeerChanged reports an entry of a peer's state; a value of nil, that there is none any more.
	// It may report what is known already. The hub retains value.
	PeerChanged(peer uint64, key string, value []byte)

	// PeerGone reports that a peer has ended, or has not been heard of for so long that it counts
	// as ended. All of its state is gone. A peer that comes back begins with an empty state.
	PeerGone(peer uint64)

	// Answer answers a question of a peer. It is called from any goroutine, and may wait.
	Answer(question []byte) (answer []byte)
}
