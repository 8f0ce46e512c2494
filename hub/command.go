package hub

// command is what all nodes do at the same place in the order of all messages.
type command struct {
	ID     uint64      `json:"id"` // at its node
	Do     string      `json:"do"`
	Topic  string      `json:"topic,omitempty"`
	User   string      `json:"user,omitempty"`
	OfUser bool        `json:"of_user,omitempty"` // only the members of User
	Why    CloseReason `json:"why"`
	Data   []byte      `json:"data,omitempty"`
}

// What a command does.
const (
	doDisconnect = "disconnect"
	doTell       = "tell"
)

// Tell has Options.OnTold called with data at all nodes, this one included, and returns the sum of
// what the functions return. It has the order, the sum and the errors of [Hub.Disconnect], and like
// that it calls the function of this node in any case. data has at most 256 KiB.
func (h *Hub) Tell(data []byte) (sum int, err error) {
	return h.command(&command{Do: doTell, Data: data})
}

// command has all nodes run c, and returns the sum of the results.
func (h *Hub) command(c *command) (int, error) {
	if h.node == nil {
		return h.run(c), nil
	}
	h.Start()
	return h.node.command(c)
}

// run runs a command at this node.
func (h *Hub) run(c *command) int {
	switch {
	case c.Do == doDisconnect:
		return h.closeIf(c.Topic, c.wants, c.Why)
	case c.Do == doTell && h.opts.OnTold != nil:
		return h.opts.OnTold(c.Data)
	}
	return 0
}

// wants reports whether a doDisconnect is about the subscriber.
func (c *command) wants(s Subscriber) bool {
	if !c.OfUser {
		return true
	}
	m, ok := s.(*Member)
	return ok && m.user == c.User
}
