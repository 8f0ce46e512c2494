package hub

// Deliver makes brokerNode a Node.
func (n *brokerNode) Deliver(m *Envelope) {
	if m.Unstored {
		n.deliverUnstored(m)
		return
	}
	if m.Position.Epoch != n.at.Epoch {
		n.Linked(Position{m.Position.Epoch, m.Position.Offset - 1})
	}
	n.at.Offset = max(n.at.Offset, m.Position.Offset)
	if m.Topic == controlTopic {
		n.deliverCommand(m)
		return
	}
	n.found = n.receivers(n.found[:0], m.Topic)
	if len(n.found) == 0 {
		n.exclude(m)
		return
	}
	r := n.record(m)
	for i, t := range n.found {
		if !t.deliver(r, n.at.Epoch) {
			t.deliverHere(r, m.Position)
		}
		n.found[i] = nil
	}
}

// deliver appends a stored message, unless the topic has it already. It returns false if the
// topic's positions are this node's own.
func (t *Topic) deliver(r *Record, epoch uint64) bool {
	t.mu.Lock()
	if t.remote.local {
		t.mu.Unlock()
		return false
	}
	if t.epoch == 0 { // joining is under way
		t.epoch = epoch
	}
	if t.ended || t.epoch != epoch || r.Offset <= t.log.last {
		t.mu.Unlock()
		return true
	}
	full := t.appendLocked(r, r.Offset, nil)
	t.mu.Unlock()
	for _, sh := range full {
		sh.help()
	}
	return true
}

// Lost makes brokerNode a Node.
func (n *brokerNode) Lost(cause error) {
	n.lost = true
	if f := n.hub.opts.OnLink; f != nil {
		f(cause)
	}
}

// Linked makes brokerNode a Node.
func (n *brokerNode) Linked(at Position) {
	if n.lost {
		n.lost = false
		n.restartUnstored()
	}
	if at.Epoch != n.at.Epoch || at.Offset > n.at.Offset {
		n.at = at
		n.linked.Store(&at)
		n.recover(at)
		n.recoverCommands(at)
	}
	n.joinControlLater()
	if f := n.hub.opts.OnLink; f != nil {
		f(nil)
	}
}

// restart lets the topic begin anew at a position, because the messages before it are not
// available. It closes the topic's subscribers, so that they find out what they missed: they
// reconnect and resume at the position that they have reached.
func (t *Topic) restart(at Position) {
	var all []*leave
	how := &closeAction{CloseReason{Cause: MessagesLost, Text: "messages were lost between servers: reconnect and resume"}}
	t.mu.Lock()
	for _, sh := range t.shards {
		for _, s := range sh.appendAll(nil) {
			if l := (&leave{sub: s, how: how, cut: true}); t.leaveLocked(l) {
				all = append(all, l)
			}
		}
	}
	t.epoch, t.remote.filled, t.remote.fetch = at.Epoch, false, nil
	t.log.clear()
	t.reserveLocked()
	t.log.begin(at.Offset, at.Offset)
	for _, sh := range t.shards {
		sh.skipLocked()
	}
	t.unlockAndDrop()
	for _, l := range all {
		l.proceed()
	}
}
