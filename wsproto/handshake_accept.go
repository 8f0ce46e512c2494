package wsproto

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
)

// opened marks the handshake as done.
func (c *Conn) opened() {
	if s := c.endpoint.server; s != nil {
		s.counters.add()
	}
	c.flags.Or(flagOpen | handlerFlags(c.handler))
	c.armFirst()
}

// conclude opens the connection, unless there is a reason to refuse the request. It reports
// whether the connection is open.
func (c *Conn) conclude(x *upgradeBuffers, refusal *Refusal, upgrade bool) bool {
	if refusal == nil {
		refusal = c.prepare(&x.request)
	}
	if x.hijacked != nil {
		x.hijacked.err = refusal.orNil()
	}
	if refusal != nil {
		c.refuseRequest(refusal, isHead(x.request.head), upgrade)
		return false
	}
	x.finishResponse()
	c.io.Write(nil, x.out.Bytes())
	c.opened() // not before: Shutdown sends a close frame to connections that are open
	c.handler.OnOpen(c, &x.request)
	c.flags.Or(flagBegun)
	return true
}

// refuseRequest refuses the first request of a connection.
func (c *Conn) refuseRequest(refusal *Refusal, head, upgrade bool) {
	s := c.endpoint.server
	if upgrade {
		s.counters.refuseUpgrade(refusal.Status)
	}
	if !refusal.logged {
		s.logger().Debug("handshake refused", "status", refusal.Status, "reason", refusal.Reason)
	}
	c.refuse(refusal, head, refusal)
}

// prepare prepares the connection, which the program has admitted, for messages.
func (c *Conn) prepare(r *Request) *Refusal {
	if c.handler = c.endpoint.server.handlerFor(r); c.handler == nil {
		return Refuse(http.StatusNotFound, "there is no WebSocket at "+strconv.Quote(r.Path()))
	}
	if r.deflate != nil {
		c.compress(r.deflate)
	}
	if r.Subprotocol != "" {
		c.extras().subprotocol = r.Subprotocol
	}
	return nil
}

func (s *Server) handlerFor(r *Request) Handler {
	switch {
	case r.Handler != nil:
		return r.Handler
	case s.NewHandler != nil:
		return s.NewHandler(r)
	}
	return s.Handler
}

// ask calls AcceptAsync. If that has answered at once, it returns what the answer is.
func (c *Conn) ask(x *upgradeBuffers) *Refusal {
	a, r, s := &acceptance{conn: c, buffers: x}, &x.request, c.endpoint.server
	r.moveTo(bytes.Clone(r.head)) // it is a worker's
	r.ctx, a.cancel = context.WithCancelCause(r.Context())
	x.asking = a
	c.extras().opening = a
	s.AcceptAsync(r, a.answer)
	if a.wait(x.more) {
		return nil
	}
	return s.refusalOf(c.takeAnswer(a))
}

// takeAnswer ends the state of waiting, and returns the answer.
func (c *Conn) takeAnswer(a *acceptance) error {
	c.extra.Store(nil) // nothing else is in it yet
	a.buffers.asking = nil
	if a.charged != 0 {
		c.io.Charge(-a.charged)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// answered goes on with a handshake once AcceptAsync has answered. data has come after the
// header. It returns how many bytes of that are done with.
func (c *Conn) answered(a *acceptance, data []byte) (used int) {
	if a.wait(len(data) > 0) {
		return 0
	}
	if c.concludeAsked(a) {
		return 0
	}
	return len(data)
}

// concludeAsked opens or refuses the connection, as AcceptAsync has answered.
func (c *Conn) concludeAsked(a *acceptance) (open bool) {
	x := a.buffers
	defer x.end()
	return c.conclude(x, c.endpoint.server.refusalOf(c.takeAnswer(a)), true)
}
