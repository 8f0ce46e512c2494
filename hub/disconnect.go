package hub

// Disconnect closes all subscribers of the topic or pattern, and returns their number. If the
// connection of a [Member] is an [UnsubscribeHandler], only the subscription ends.
//
// It is an event in the topic's order. Messages that were published before it are delivered
// first; for a member that is closed, in all its topics. A slow subscriber gets them within its
// topic's limit and Options.EndTimeout. Messages that are published after it are not delivered,
// and do not count these subscribers as receivers. Disconnect does not wait for subscribers:
// those that are up to date have been closed when it returns, the others are closed soon. If the
// hub has a [Broker] that is a [Syncer], Disconnect waits for what was published before it at
// any node.
func (h *Hub) Disconnect(name string, why CloseReason) int {
	return h.DisconnectIf(name, func(Subscriber) bool { return true }, why)
}

// DisconnectIf is Disconnect for the subscribers for which is returns true: for example those of
// one user in a topic, or those of a user's connections that belong to one login. is is called
// for each subscriber; for a member it gets the *[Member], not the connection.
func (h *Hub) DisconnectIf(name string, is func(Subscriber) bool, why CloseReason) int {
	h.node.sync()
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
