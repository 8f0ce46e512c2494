package wsproto

// closeFrame sends the last frame of this endpoint. It reports whether no close frame was
// sent before.
func (c *Conn) closeFrame(code Code, reason string, err *CloseError) bool {
	var body [maxControl]byte
	var frame [maxHeader + maxControl]byte
	var key [4]byte
	c.flags.Or(flagClosed)
	c.Resume() // so that the peer's answer is read
	first := c.io.WriteLast(appendFrame(frame[:0], true, opClose, appendCloseBody(body[:0], code, reason), c.mask(&key)), err)
	if s := c.streaming(); s != nil {
		s.end(err)
	}
	return first
}

// Close begins the closing handshake. The peer gets a close frame; Server.CloseTimeout bounds
// the wait for its answer, from the moment when it has taken what was accepted before; then
// OnClose is called. After Close nothing is delivered or sent: messages that wait behind a
// [Writer] are lost, and a stream that is incomplete ends with an error. A second call does
// nothing. A code that is not allowed in a frame is sent as InternalError; NoStatusReceived
// sends neither code nor reason. A reason longer than 123 bytes is cut.
func (c *Conn) Close(code Code, reason string) {
	code, reason = sanitizeClose(code, reason)
	if c.closeFrame(code, reason, &CloseError{Code: code, Reason: reason}) {
		c.io.SetDeadline(c.endpoint.closeTimeout)
	}
}

// fail ends the connection because of an error: the peer gets a close frame, but nothing more
// is expected of it (RFC 6455, 7.1.7).
func (c *Conn) fail(code Code, reason string, err error) {
	code, reason = sanitizeClose(code, reason)
	ce := &CloseError{Code: code, Reason: reason, Err: err}
	c.closeFrame(code, reason, ce)
	c.io.Finish(ce, c.endpoint.closeTimeout)
}

// violated ends the connection because the peer broke a rule; err is a *Violation.
func (c *Conn) violated(err error) {
	v := err.(*Violation)
	c.fail(v.Code, v.Rule, v)
}

// goodbye closes a connection of a server that ends.
func (c *Conn) goodbye() {
	select {
	case <-c.endpoint.server.stopped:
		c.Close(GoingAway, "the server is shutting down")
	default:
		if h, ok := c.handler.(DrainHandler); ok && c.flags.Load()&flagBegun != 0 {
			c.drain(h)
			return
		}
		c.Close(ServiceRestart, "the server is restarting")
	}
}
