package wsproto

// flagHeld is in Conn.flags while messages wait: see Hold.
const flagHeld uint32 = 1 << 16

// Hold stops the messages of the connection until Resume: the handler has no room for
// more. Only the Handler may call it, from OnOpen or OnMessage; the next message, even of
// the same read, waits until Resume, and TCP slows the peer down. It is not for
// connections whose handler is a [StreamHandler], which are held by their streams.
//
// A connection that is held is not pinged, since its answers would not be read, and its
// end is noticed when it is written to: so it must not stay held for what may never come.
func (c *Conn) Hold() {
	c.io.Hold()
	c.flags.Or(flagHeld)
	if c.flags.Load()&flagClosed != 0 { // who closed may not have seen it
		c.Resume()
	}
}

// Resume ends a Hold, if there is one. It may be called from any goroutine.
func (c *Conn) Resume() {
	if c.flags.Load()&flagHeld != 0 {
		c.flags.And(^flagHeld)
		c.io.Resume()
	}
}
