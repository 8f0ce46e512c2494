//go:build linux

package netpoll

// output is where the bytes go that are written to a connection, if not to its socket: the
// connection's own queue while something is pending, and, while a turn gathers them, the
// buffer of its worker. A connection refers to the one or the other, or to none, so as to
// need room for one; only the functions of this file tell them apart.
type output struct {
	outQueue        // a connection's own
	gathered []byte // a worker's: never nil
}

// queueLocked returns what waits for the socket; nil if nothing does.
func (c *Conn) queueLocked() *outQueue {
	if o := c.out; o != nil && o.gathered == nil {
		return &o.outQueue
	}
	return nil
}

// gathererLocked returns where the turn under way gathers what is written; nil if it does
// not, or there is none.
func (c *Conn) gathererLocked() *output {
	if o := c.out; o != nil && o.gathered != nil {
		return o
	}
	return nil
}

// isDirectLocked reports whether a write goes straight to the socket.
func (c *Conn) isDirectLocked() bool { return c.out == nil }

// unsentLocked returns the number of bytes in either.
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

// beginQueueLocked returns the queue, a new one if there was none. It ends the gathering.
func (c *Conn) beginQueueLocked() *outQueue {
	if c.queueLocked() == nil {
		c.out = new(output)
	}
	return &c.out.outQueue
}

// endQueueLocked drops the queue, from which all has gone.
func (c *Conn) endQueueLocked() { c.out = nil }

// beginGatherLocked has o gather what is written, unless something is pending. It reports
// whether it does.
func (c *Conn) beginGatherLocked(o *output) bool {
	if c.out == nil {
		c.out = o
	}
	return c.out == o
}

// endGatherLocked ends the gathering in o, if c takes part in it, and returns what was gathered.
func (c *Conn) endGatherLocked(o *output) []byte {
	if c.out != o {
		return nil
	}
	c.out = nil
	return o.takeGathered()
}

// takeGathered returns what was gathered, which stays valid until more is.
func (o *output) takeGathered() []byte {
	p := o.gathered
	o.gathered = p[:0]
	return p
}
