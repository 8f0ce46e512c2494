package wsproto

import (
	"bytes"
	"cmp"
	"errors"
	"net/http"
	"strconv"
	"sync"

	"github.com/gobwas/ws"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// upgradeBuffers is what a connection needs during its handshake only.
type upgradeBuffers struct {
	in      bytes.Reader
	core    []byte // what in reads
	out     bytes.Buffer
	header  http.Header // Request.ResponseHeader, so that it is never nil
	request Request

	hijacked *hijackedRequest // what came with a hijacked connection, or nil
	asking   *acceptance      // the question to AcceptAsync, while it has no answer
	more     bool             // input has come behind the header
	counted  bool             // as under way
}

func (x *upgradeBuffers) Read(p []byte) (int, error)  { return x.in.Read(p) }
func (x *upgradeBuffers) Write(p []byte) (int, error) { return x.out.Write(p) }

var upgradeBufferPool = sync.Pool{New: func() any { return &upgradeBuffers{header: make(http.Header)} }}

func newUpgradeBuffers(c *Conn) *upgradeBuffers {
	x := upgradeBufferPool.Get().(*upgradeBuffers)
	x.request.conn, x.request.server = c, c.endpoint.server
	x.request.ResponseHeader = x.header
	if x.hijacked = c.takeHijacked(); x.hijacked != nil {
		x.hijacked.apply(&x.request)
		x.hijacked.err = netpoll.ErrPanic // unless the handshake comes to an end
	}
	return x
}

// end ends the handshake, unless AcceptAsync has yet to answer.
func (x *upgradeBuffers) end() {
	if x.asks() {
		return
	}
	x.release(nil)
	x.out.Reset()
	clear(x.header)
	clear(x.request.Header.fields) // they point into the buffer of a worker
	x.request, x.more = Request{Header: Header{x.request.Header.fields[:0]}}, false
	upgradeBufferPool.Put(x)
}

// release stops counting the handshake. It lets Upgrade return, if that waits: with err, unless
// that is nil.
func (x *upgradeBuffers) release(err error) {
	if x.counted {
		x.request.server.gate.leave()
		x.counted = false
	}
	if x.hijacked != nil {
		x.hijacked.err = cmp.Or(err, x.hijacked.err)
		close(x.hijacked.done) // after OnOpen
		x.hijacked = nil
	}
}

// enter counts the handshake against the limits, or returns its refusal.
func (x *upgradeBuffers) enter() *Refusal {
	s := x.request.server
	l := s.limitsInForce()
	if refusal := s.gate.enter(l, thisMoment(), &s.counters.limited); refusal != nil {
		return refusal
	}
	x.counted = true
	return s.refuseCrowd(&x.request, l.MaxConnsPerClient)
}

func (x *upgradeBuffers) asks() bool { return x.asking != nil }

var headerEnd = []byte("\r\n\r\n")

// headEnd returns the length of the header that p begins with, including its empty line,
// or 0 if the header is incomplete. A bare line feed counts as the end of a line, as in
// net/http; Request.parse decides whether it is allowed there.
func headEnd(p []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(p[i:], '\n')
		if n < 0 {
			return 0
		}
		i += n + 1
		switch {
		case bytes.HasPrefix(p[i:], crlf):
			return i + len(crlf)
		case bytes.HasPrefix(p[i:], crlf[1:]):
			return i + 1
		}
	}
}

// handshake takes what has come of the handshake and returns the number of bytes that it
// has consumed: 0 until the header is complete.
func (c *Conn) handshake(data []byte) (used int) {
	if c.endpoint.state.ClientSide() {
		return c.clientHandshake(data)
	}
	if a := c.asked(); a != nil {
		return c.answered(a, data)
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

// request serves the first request of a connection, whose header is data[:end].
func (c *Conn) request(data []byte, end int) (used int) {
	x := newUpgradeBuffers(c)
	defer x.end() // also if the program panics
	r := &x.request
	x.more = len(data) > end
	refusal := r.parse(data[:end])
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
	return true
}

// refuseRequest refuses the first request of a connection.
func (c *Conn) refuseRequest(refusal *Refusal, head, upgrade bool) {
	s := c.endpoint.server
	if upgrade {
		s.counters.refused.Add(1)
	}
	if !refusal.logged {
		s.logger().Debug("handshake refused", "status", refusal.Status, "reason", refusal.Reason)
	}
	c.refuse(refusal, head, refusal)
}

// takesHandshakes reports whether handshakes on the server's own port are its own, and not
// for a handler of HTTP that calls Upgrade.
func (s *Server) takesHandshakes() bool {
	return s.HTTP == nil || s.Handler != nil || s.NewHandler != nil || s.Accept != nil || s.AcceptAsync != nil
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

// refuseNow returns why no handshake can succeed now, or nil.
func (s *Server) refuseNow() *Refusal {
	if s.closing() {
		return s.refuseClosing()
	}
	return s.refuseFull()
}

// upgrade has ws.Upgrader check the handshake, negotiates, and writes the response to out.
func (x *upgradeBuffers) upgrade() (refusal *Refusal) {
	r := &x.request
	x.core = r.appendCore(x.core[:0])
	u := ws.Upgrader{
		ReadBufferSize: max(ws.DefaultServerReadBufferSize, len(x.core)),
		OnBeforeUpgrade: func() (ws.HandshakeHeader, error) { // after all other checks
			if refusal = r.admit(); refusal != nil {
				return nil, refusal
			}
			return nil, nil
		},
	}
	x.in.Reset(x.core)
	_, err := u.Upgrade(x)
	if refusal == nil && err != nil {
		refusal = translate(err)
	}
	return refusal
}

// finishResponse adds the fields that ws.Upgrader has not written, and that the program may
// have changed since.
func (x *upgradeBuffers) finishResponse() {
	x.out.Truncate(x.out.Len() - len(crlf))
	_ = x.request.writeResponseHeader(&x.out)
	x.out.Write(crlf)
}

// admit returns why this client's handshakes are refused; if they are not, it negotiates.
func (r *Request) admit() *Refusal {
	if refusal := r.server.refuseClient(r); refusal != nil {
		return refusal
	}
	return r.negotiate(r.conn.endpoint.compression)
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

// refuseClient returns why this client's handshakes are refused, or nil.
func (s *Server) refuseClient(r *Request) *Refusal {
	if len(s.Proxies) > 0 {
		s.checkForwarded(r.peer(), r.Header.Values)
	}
	if refusal := s.refuseOrigin(r); refusal != nil {
		return refusal
	}
	return s.refuseHost(r)
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
	c.endpoint.server.counters.timedOut.Add(1)
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
	nc, err := c.io.Detach(data)
	if err != nil {
		c.io.Close(err)
		return
	}
	c.endpoint.server.httpServer.give(nc)
}
