package natsbroker

// deliver calls the node until Close.
func (b *Broker) deliver() {
	var calls []call
	for range b.out.ready {
		for calls = b.out.take(calls[:0]); len(calls) > 0; calls = b.out.take(calls[:0]) {
			for i := range calls {
				if b.ctx.Err() == nil {
					b.call(&calls[i])
				}
				calls[i] = call{}
			}
		}
	}
}

func (b *Broker) call(c *call) {
	switch {
	case c.synced != nil:
		c.synced <- nil
	case c.peer != nil:
		b.callPeer(c.peer)
	case c.message != nil:
		b.node.Deliver(c.message)
		if b.out.delivered(c.message) {
			b.wake() // the link may wait for room
		}
	case c.lost != nil:
		b.node.Lost(c.lost)
	default:
		b.findSilent(c.linked)
		b.node.Linked(c.linked.at)
	}
}
