//go:build linux

package netpoll

// output is the destination of bytes that are written to a connection and not sent at once:
// the connection's own queue while something is pending, or the buffer of the worker
// while a turn gathers. A connection refers to one of them, or to none, because it has
// room for only one pointer. Only the functions of this file tell the two apart.
type output struct {
	outQueue        // a connection's own
	gathered []byte // a worker's: never nil
}

// queueLocked returns the connection's queue; nil if nothing waits for the socket.
func (c *Conn) queueLocked() *outQueue {
	if o := c.out; o != nil && o.gathered == nil {
		return &o.outQueue
	}
	return nil
}

// gathererLocked returns the worker's buffer in which the turn under way gathers; nil if no
// turn does.
func (c *Conn) gathererLocked() *output {
	if o := c.out; o != nil && o.gathered != nil {
		return o
	}
	return nil
}

// isDirectLocked reports whether a write sends at once.
func (c *Conn) isDirectLocked() bool { return c.out == nil }

// unsentLocked returns the number of bytes that are queued or gathered.
func (c *Conn) unsentLocked() int {
	switch o := c.out; {
	case o == nil:
		return 0
	case o.gathered != nil:
		return len(o.gathered)
	default:
		return o.bytes
	}
}

// beginQueueLocked returns the queue, and creates it if there is none, which ends the
// gathering.
func (c *Conn) beginQueueLocked() *outQueue {
	if c.queueLocked() == nil {
		c.out = new(output)
	}
	return &c.out.outQueue
}

// endQueueLocked drops the queue, which is empty.
func (c *Conn) endQueueLocked() { c.out = nil }

// beginGatherLocked makes writes gather in o, unless something is pending. It reports
// whether they do.
func (c *Conn) beginGatherLocked(o *output) bool {
	if c.out == nil {
		c.out = o
	}
	return c.out == o
}

// endGatherLocked ends the gathering in o, if c takes part in it, and returns the gathered
// bytes.
func (c *Conn) endGatherLocked(o *output) []byte {
	if c.out != o {
		return nil
	}
	c.out = nil
	return o.takeGathered()
}

// takeGathered removes and returns the gathered bytes, which stay valid until more are
// gathered.
func (o *output) takeGathered() []byte {
	p := o.gathered
	o.gathered = p[:0]
	return p
}
