package wsproto

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"sync"

	"github.com/gobwas/ws"
)

// upgradeBuffers is what a handshake needs for a moment.
type upgradeBuffers struct {
	in      bytes.Reader
	core    []byte // what in reads
	out     bytes.Buffer
	request Request
}

func (x *upgradeBuffers) Read(p []byte) (int, error)  { return x.in.Read(p) }
func (x *upgradeBuffers) Write(p []byte) (int, error) { return x.out.Write(p) }

var upgradeBufferPool = sync.Pool{New: func() any { return new(upgradeBuffers) }}

func (x *upgradeBuffers) free() {
	x.out.Reset()
	clear(x.request.Header.fields) // they point into the buffer of a worker
	x.request = Request{Header: Header{x.request.Header.fields[:0]}}
	upgradeBufferPool.Put(x)
}

var headerEnd = []byte("\r\n\r\n")

// headEnd returns the length of the header that p begins with, to its empty line,
// or 0 if that has not come. A bare line feed counts as the end of a line, as for
// net/http; whether it may stand there is for Request.parse to say.
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

// handshake takes what has come of the handshake and returns the bytes that are done
// with: 0 until the header is complete.
func (c *Conn) handshake(data []byte) (used int) {
	if c.endpoint.state.ClientSide() {
		return c.clientHandshake(data)
	}
	s := c.endpoint.server
	if !isToken(data[:1]) && data[0] != '\r' && data[0] != '\n' {
		r := Refuse(http.StatusBadRequest, "this is not HTTP")
		c.refuse(r, r)
		return len(data)
	}
	end := headEnd(data)
	if end == 0 && len(data) <= s.MaxHeader {
		return 0
	}
	c.flags.Or(flagHeard)
	if end == 0 || end > s.MaxHeader {
		r := s.tooLarge(c.RemoteAddr())
		c.answer(r.encode(bytes.HasPrefix(data, methodHead)), r)
		return len(data)
	}
	x := upgradeBufferPool.Get().(*upgradeBuffers)
	defer x.free()
	r := &x.request
	r.conn, r.server = c, s
	if hijacked := c.takeHijacked(); hijacked != nil {
		defer close(hijacked.done) // after OnOpen
		hijacked.apply(r)
	}
	refusal := r.parse(data[:end])
	upgrade := r.isUpgrade()
	if !upgrade {
		refusal = r.checkFraming(refusal)
	}
	if !upgrade && refusal == nil {
		c.leave(data)
		return len(data)
	}
	if upgrade {
		refusal = c.upgrade(x, refusal)
	}
	if refusal != nil {
		s.logger().Debug("handshake refused", "status", refusal.Status, "reason", refusal.Reason)
		c.answer(refusal.encode(bytes.HasPrefix(data, methodHead)), refusal)
		return len(data)
	}
	c.io.Write(nil, x.out.Bytes())
	c.opened() // not before: Shutdown writes to whom it finds open
	c.handler.OnOpen(c, r)
	return end
}

// tooLarge is the answer to a header above MaxHeader.
func (s *Server) tooLarge(client netip.AddrPort) *Refusal {
	s.largeHeaders.warn(s.logger(), "a request with a large header was refused", "bytes", s.MaxHeader, "client", client,
		"allow", "raise -max-header, or Server.MaxHeader")
	return Refuse(http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("the header is larger than %d bytes", s.MaxHeader))
}

// refuseFull returns why no WebSocket can begin, or nil.
func (s *Server) refuseFull() *Refusal {
	if !s.engine.Full() || s.makeRoom() {
		return nil
	}
	s.fullUp.warn(s.logger(), "the server is full: handshakes are refused", "connections", s.Engine.MaxConns,
		"allow", "raise -max-conns, or Server.Engine.MaxConns")
	return &Refusal{Status: http.StatusServiceUnavailable, Reason: "the server is full", Header: http.Header{"Retry-After": {"5"}}}
}

// upgrade judges the request and writes the answer to x, unless it returns why
// the request is refused.
func (c *Conn) upgrade(x *upgradeBuffers, refusal *Refusal) *Refusal {
	r := &x.request
	if refusal == nil {
		refusal = r.check()
	}
	if refusal != nil {
		return refusal
	}
	if c.endpoint.server.closing() {
		return Refuse(http.StatusServiceUnavailable, "the server shuts down")
	}
	if refusal := c.endpoint.server.refuseFull(); refusal != nil {
		return refusal
	}
	x.core = r.appendCore(x.core[:0])
	u := ws.Upgrader{
		ReadBufferSize: max(ws.DefaultServerReadBufferSize, len(x.core)),
		OnBeforeUpgrade: func() (ws.HandshakeHeader, error) {
			if refusal = c.accept(r); refusal != nil {
				return nil, refusal
			}
			return ws.HandshakeHeaderHTTP(r.ResponseHeader), nil
		},
	}
	x.in.Reset(x.core)
	_, err := u.Upgrade(x)
	if refusal == nil && err != nil {
		refusal = translate(err)
	}
	return refusal
}

// translate makes a refusal of what ws.Upgrader says.
func translate(err error) *Refusal {
	refusal := Refuse(http.StatusBadRequest, err.Error())
	var rejected *ws.ConnectionRejectedError
	if errors.As(err, &rejected) && rejected.StatusCode() != 0 {
		refusal.Status = rejected.StatusCode()
	}
	switch refusal.Status {
	case http.StatusMethodNotAllowed: // RFC 9110, 15.5.6
		refusal.Header = http.Header{"Allow": {http.MethodGet}}
	case http.StatusUpgradeRequired: // RFC 6455, 4.4
		refusal.Header = http.Header{"Sec-WebSocket-Version": {"13"}, "Upgrade": {"websocket"}, "Connection": {"Upgrade"}}
	}
	return refusal
}

// refuse answers a handshake with an error and ends the connection with err.
func (c *Conn) refuse(e *Refusal, err error) { c.answer(e.encode(false), err) }

// answer writes the last that the peer hears and ends the connection with err.
func (c *Conn) answer(b []byte, err error) {
	c.io.Write(nil, b)
	c.io.Finish(err, c.endpoint.closeTimeout)
	if s := c.endpoint.server; s != nil && s.Engine.MaxConns > 0 {
		c.flags.And(^flagHeard)
		s.silent.add(c)
	}
}

var methodHead = []byte("HEAD ")

// encode returns the answer; without its body, if that is what was asked for (RFC
// 9110, 9.3.2).
func (e *Refusal) encode(head bool) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n",
		e.Status, http.StatusText(e.Status), len(e.Reason)+1)
	_ = e.Header.Write(&b)
	b.WriteString("\r\n")
	if !head {
		b.WriteString(e.Reason + "\n")
	}
	return b.Bytes()
}

// accept asks the program.
func (c *Conn) accept(r *Request) *Refusal {
	s := c.endpoint.server
	if len(s.Proxies) > 0 {
		s.checkForwarded(r.RemoteAddr().Addr(), r.Header.Values)
	}
	if refusal := s.refuseOrigin(r); refusal != nil {
		return refusal
	}
	if refusal := s.refuseHost(r); refusal != nil {
		return refusal
	}
	if len(s.Subprotocols) > 0 {
		r.Subprotocol = choose(r.Subprotocols(), s.Subprotocols)
	}
	r.Handler = s.Handler
	if s.Accept != nil {
		if err := s.Accept(r); err != nil {
			var refusal *Refusal
			if !errors.As(err, &refusal) { // not for strangers to read
				s.logger().Warn("Accept refuses a handshake with an error that is no Refusal", "error", err)
				refusal = Refuse(http.StatusInternalServerError, "the server refuses the handshake")
			}
			return refusal
		}
	}
	if r.Handler == nil {
		return Refuse(http.StatusNotFound, "there is no WebSocket at "+r.Path())
	}
	c.handler = r.Handler
	if refusal := c.negotiate(r); refusal != nil {
		return refusal
	}
	if r.Subprotocol != "" {
		r.answer("Sec-WebSocket-Protocol", r.Subprotocol)
		c.extras().subprotocol = r.Subprotocol
	}
	return nil
}

// answer adds a field to the answer. Accept may have given the same ResponseHeader to others.
func (r *Request) answer(name, value string) {
	if r.ResponseHeader = r.ResponseHeader.Clone(); r.ResponseHeader == nil {
		r.ResponseHeader = make(http.Header, 1)
	}
	r.ResponseHeader[name] = []string{value}
}

// choose returns the first of offers that ours has, or "".
func choose(offers, ours []string) string {
	for _, o := range offers {
		for _, p := range ours {
			if o == p {
				return o
			}
		}
	}
	return ""
}

// handshakeTimedOut ends a connection that did not finish its handshake.
func (c *Conn) handshakeTimedOut() {
	if c.endpoint.state.ServerSide() {
		c.refuse(Refuse(http.StatusRequestTimeout, "the handshake took too long"), ErrHandshakeTimeout)
		return
	}
	c.io.Close(ErrHandshakeTimeout)
}

// handshakeFailed is called at the end of a connection that never was open.
func (c *Conn) handshakeFailed(err error) {
	c.flags.Or(flagHeard)
	if c.endpoint.state.ClientSide() {
		c.dialFailed(err)
	} else if hijacked := c.takeHijacked(); hijacked != nil {
		close(hijacked.done)
	}
}

// leave hands a connection that is no WebSocket to net/http, with the bytes that
// were read.
func (c *Conn) leave(data []byte) {
	nc, err := c.io.Detach(data)
	if err != nil {
		c.io.Close(err)
		return
	}
	c.endpoint.server.httpServer.give(nc)
}
