package wsproto

import (
	"errors"
	"net/http"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// handshake takes what has come of the handshake and returns the number of bytes that it
// has consumed: 0 until the header is complete.
func (c *Conn) handshake(data []byte) (used int) {
	if c.endpoint.state.ClientSide() {
		return c.clientHandshake(data)
	}
	if a := c.asked(); a != nil {
		return c.answered(a, data)
	}
	if c.isHijacked() {
		c.flags.Or(flagHeard)
		return c.request(data, 0)
	}
	if !isToken(data[:1]) && data[0] != '\r' && data[0] != '\n' {
		r := Refuse(http.StatusBadRequest, "this is not HTTP")
		c.refuse(r, false, r)
		return len(data)
	}
	s, end := c.endpoint.server, headEnd(data)
	if end == 0 && len(data) <= s.MaxHeader {
		return 0
	}
	c.flags.Or(flagHeard)
	if end == 0 || end > s.MaxHeader {
		r := s.tooLarge(c.RemoteAddr())
		c.refuse(r, isHead(data), r)
		return len(data)
	}
	return c.request(data, end)
}

// request serves the first request of a connection, whose header is data[:end] unless the connection
// was hijacked and brings it.
func (c *Conn) request(data []byte, end int) (used int) {
	x := newUpgradeBuffers(c)
	defer x.end() // also if the program panics
	r := &x.request
	x.more = len(data) > end
	var refusal *Refusal
	if x.hijacked == nil {
		refusal = r.parse(data[:end])
	}
	upgrade := r.isUpgrade() && (x.hijacked != nil || c.endpoint.server.takesHandshakes())
	if upgrade {
		if refusal = c.upgrade(x, refusal); x.asks() {
			return end
		}
	} else if refusal = r.checkFraming(refusal); refusal == nil && c.endpoint.server.closing() {
		refusal = c.endpoint.server.refuseClosing()
	} else if refusal == nil {
		c.serveHTTP(data)
		return len(data)
	}
	if c.conclude(x, refusal, upgrade) {
		return end
	}
	return len(data)
}

// upgrade checks the request, writes the response to x, as far as it is known, and asks the
// program. It returns why the request is refused. If AcceptAsync has yet to answer, x asks.
func (c *Conn) upgrade(x *upgradeBuffers, refusal *Refusal) *Refusal {
	r, s := &x.request, c.endpoint.server
	if refusal == nil {
		refusal = r.check()
	}
	if refusal == nil {
		refusal = s.refuseNow()
	}
	if refusal == nil {
		refusal = x.upgrade()
	}
	if refusal == nil {
		refusal = x.enter()
	}
	if refusal != nil {
		return refusal
	}
	switch {
	case s.AcceptAsync != nil:
		return c.ask(x)
	case s.Accept != nil:
		return s.refusalOf(s.Accept(r))
	}
	return nil
}

// handshakeTimedOut ends a connection that did not finish its handshake in time.
func (c *Conn) handshakeTimedOut() {
	if c.endpoint.state.ClientSide() {
		c.io.Close(ErrHandshakeTimeout)
		return
	}
	refusal := Refuse(http.StatusRequestTimeout, "the handshake took too long")
	if a := c.asked(); a != nil {
		if !a.end(ErrHandshakeTimeout) {
			return // the answer has just come
		}
		refusal = retryLater("the server did not decide about the handshake in time")
	}
	n := &c.endpoint.server.counters
	n.timedOut.Add(1)
	n.upgrades[refusal.Status].Add(1)
	c.refuse(refusal, false, ErrHandshakeTimeout)
}

// handshakeFailed is called at the end of a connection that was never open.
func (c *Conn) handshakeFailed(err error) {
	c.flags.Or(flagHeard)
	var refusal *Refusal
	if s := c.endpoint.server; s != nil && !errors.As(err, &refusal) && !errors.Is(err, ErrHandshakeTimeout) && err != netpoll.ErrPanic { // else it is counted
		s.counters.aborted.Add(1)
	}
	if x := c.extra.Load(); x != nil && x.opening != nil {
		x.opening.aborted(c, err)
	}
}

// serveHTTP hands a connection that is not a WebSocket to net/http, with the bytes that
// were read.
func (c *Conn) serveHTTP(data []byte) {
	told := c.io.IsTold()
	nc, err := c.io.Detach(data)
	if err != nil {
		c.io.Close(err)
		return
	}
	c.endpoint.server.httpServer.give(nc, told)
}
