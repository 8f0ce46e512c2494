package hub

// Disconnect closes all subscribers of the topic or pattern, at all nodes, and returns their number.
// If the connection of a [Member] is an [UnsubscribeHandler], only the subscription ends.
//
// It is an event in the topic's order. Messages that were published before it are delivered
// first; for a member that is closed, in all its topics. A slow subscriber gets them within its
// topic's limit and Options.EndTimeout. Messages that are published after it are not delivered,
// and do not count these subscribers as receivers. Disconnect does not wait for subscribers:
// those that are up to date have been closed when it returns, the others are closed soon.
//
// With a [Broker], Disconnect is also an event in the order of all messages: each node closes its
// subscribers when it has got what any node had published before. Disconnect waits for that at this
// node, so it must not be called from within Options.OnTold and the like. The number is that of all
// nodes if the broker is one of [Peers], without nodes that do not answer within a second, and else
// that of this node. If the command cannot be published, the subscribers at this node are closed at
// once, and the error, which wraps ErrLinkDown or ErrUnacknowledged, says that other nodes may not
// have been reached. A node whose connection is down closes its subscribers when it is connected
// again, including those that have come meanwhile; they may have got messages that were published
// after Disconnect. Without history the broker may have lost the command, but then that node closes
// all subscribers of topics that have missed messages. Messages that are not stored, of topics with
// TopicOptions.Unstored, have no place in the order: some from before Disconnect may not be delivered.
func (h *Hub) Disconnect(name string, why CloseReason) (closed int, err error) {
	return h.command(&command{Do: doDisconnect, Topic: name, Why: why})
}

// DisconnectUser is Disconnect for those subscribers of the topic or pattern that are a [Member] of
// the user. With [UserTopic](user) as name it closes the user's connections.
func (h *Hub) DisconnectUser(name, user string, why CloseReason) (closed int, err error) {
	return h.command(&command{Do: doDisconnect, Topic: name, User: user, OfUser: true, Why: why})
}

// DisconnectIf is Disconnect for the subscribers at this node for which is returns true: for
// example those of a user's connections that belong to one login. is is called for each subscriber;
// for a member it gets the *[Member], not the connection. If the hub has a [Broker] that is a
// [Syncer], DisconnectIf waits for what was published before it at any node. To reach other nodes,
// use Disconnect, DisconnectUser or Tell.
func (h *Hub) DisconnectIf(name string, is func(Subscriber) bool, why CloseReason) int {
	h.node.sync()
	return h.closeIf(name, is, why)
}

func (h *Hub) closeIf(name string, is func(Subscriber) bool, why CloseReason) int {
	if t := h.lookup(name); t != nil {
		return t.close(is, &closeAction{why})
	}
	return 0
}

// close ends the subscriptions of subscribers for which is returns true, and returns their
// number.
func (t *Topic) close(is func(Subscriber) bool, how *closeAction) (closed int) {
	for _, s := range t.subscribers() {
		if is(s.to) {
			s.end(how)
			closed++
		}
	}
	return closed
}

// Disconnect is [Hub.Disconnect] for this subscriber alone, whatever its protocol makes of the end
// of one subscription: the subscriber is closed when it has got what was published before; a
// member in all its topics. It does not wait. It reports whether the subscription has begun; if it
// has not, nothing happens.
func (s *Subscription) Disconnect(why CloseReason) bool {
	if s.shard == nil {
		return false
	}
	how := &closeAction{why}
	if m, ok := s.to.(*Member); ok {
		m.endAll(how)
	} else {
		s.leave(how, false)
	}
	return true
}

// end ends the subscription on behalf of the server.
func (s *Subscription) end(how *closeAction) {
	if m, ok := s.to.(*Member); ok {
		m.end(s, how)
	} else {
		s.leave(how, false)
	}
}
