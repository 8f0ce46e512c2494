package wsproto

import (
	"bytes"
	"errors"
	"io"
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
}

func (x *upgradeBuffers) Read(p []byte) (int, error)  { return x.in.Read(p) }
func (x *upgradeBuffers) Write(p []byte) (int, error) { return x.out.Write(p) }

var upgradeBufferPool = sync.Pool{New: func() any { return &upgradeBuffers{header: make(http.Header)} }}

func newUpgradeBuffers(c *Conn) *upgradeBuffers {
	x := upgradeBufferPool.Get().(*upgradeBuffers)
	x.request.conn, x.request.server = c, c.endpoint.server
	x.request.ResponseHeader = x.header
	return x
}

func (x *upgradeBuffers) free() {
	x.out.Reset()
	clear(x.header)
	clear(x.request.Header.fields) // they point into the buffer of a worker
	x.request = Request{Header: Header{x.request.Header.fields[:0]}}
	upgradeBufferPool.Put(x)
}

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
	defer x.free()
	r, s := &x.request, c.endpoint.server
	hijacked := c.takeHijacked()
	if hijacked != nil {
		defer close(hijacked.done) // after OnOpen
		hijacked.apply(r)
		hijacked.err = netpoll.ErrPanic // unless this returns
	}
	refusal := r.parse(data[:end])
	upgrade := r.isUpgrade() && (hijacked != nil || s.takesHandshakes())
	if upgrade {
		refusal = c.upgrade(x, refusal)
	} else if refusal = r.checkFraming(refusal); refusal == nil {
		c.serveHTTP(data)
		return len(data)
	}
	if hijacked != nil {
		hijacked.err = refusal.orNil()
	}
	if refusal != nil {
		if upgrade {
			s.counters.refused.Add(1)
		}
		if !refusal.logged {
			s.logger().Debug("handshake refused", "status", refusal.Status, "reason", refusal.Reason)
		}
		c.refuse(refusal, isHead(data), refusal)
		return len(data)
	}
	c.io.Write(nil, x.out.Bytes())
	c.opened() // not before: Shutdown sends a close frame to connections that are open
	c.handler.OnOpen(c, r)
	return end
}

// takesHandshakes reports whether handshakes on the server's own port are its own, and not
// for a handler of HTTP that calls Upgrade.
func (s *Server) takesHandshakes() bool {
	return s.HTTP == nil || s.Handler != nil || s.NewHandler != nil || s.Accept != nil
}

// upgrade checks the request and writes the response to x, or returns why the request is
// refused. Once Accept has admitted it, nothing can refuse it any more.
func (c *Conn) upgrade(x *upgradeBuffers, refusal *Refusal) *Refusal {
	r, s := &x.request, c.endpoint.server
	if refusal == nil {
		refusal = r.check()
	}
	if refusal != nil {
		return refusal
	}
	if s.closing() {
		return Refuse(http.StatusServiceUnavailable, "the server is shutting down")
	}
	if refusal := s.refuseFull(); refusal != nil {
		return refusal
	}
	x.core = r.appendCore(x.core[:0])
	u := ws.Upgrader{
		ReadBufferSize: max(ws.DefaultServerReadBufferSize, len(x.core)),
		OnBeforeUpgrade: func() (ws.HandshakeHeader, error) { // after all other checks
			if refusal = c.admit(r); refusal != nil {
				return nil, refusal
			}
			return ws.HandshakeHeaderFunc(r.writeResponseHeader), nil
		},
	}
	x.in.Reset(x.core)
	_, err := u.Upgrade(x)
	if refusal == nil && err != nil {
		refusal = translate(err)
	}
	return refusal
}

// admit negotiates, asks the program, and prepares the connection, unless it returns why
// the request is refused.
func (c *Conn) admit(r *Request) *Refusal {
	s := c.endpoint.server
	if refusal := s.refuseClient(r); refusal != nil {
		return refusal
	}
	if refusal := r.negotiate(c.endpoint.compression); refusal != nil {
		return refusal
	}
	if s.Accept != nil {
		if err := s.Accept(r); err != nil {
			return s.refusalOf(err)
		}
	}
	if c.handler = s.handlerFor(r); c.handler == nil {
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
		s.checkForwarded(r.RemoteAddr().Addr(), r.Header.Values)
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

// negotiate chooses a subprotocol and extensions from the client's offers. It refuses
// offers that do not follow the grammar (RFC 6455, 9.1).
func (r *Request) negotiate(k *Compression) *Refusal {
	if ours := r.server.Subprotocols; len(ours) > 0 {
		r.Subprotocol = choose(r.Subprotocols(), ours)
	}
	if !r.Header.has(extensionsField) {
		return nil
	}
	offers, ok := parseExtensions(r.Header.values(extensionsField))
	if !ok {
		return Refuse(http.StatusBadRequest, "Sec-WebSocket-Extensions is not a list of extensions (RFC 6455, 9.1)")
	}
	if k != nil {
		r.deflate = k.accept(offers)
	}
	return nil
}

// choose returns the first of offers that is in ours, or "".
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

const (
	extensionsField  = "Sec-WebSocket-Extensions"
	subprotocolField = "Sec-WebSocket-Protocol"
)

// negotiatedFields are the fields of a response that the handshake decides.
var negotiatedFields = map[string]bool{
	extensionsField: true, subprotocolField: true, "Sec-Websocket-Extensions": true, "Sec-Websocket-Protocol": true,
	"Sec-Websocket-Accept": true, "Upgrade": true, "Connection": true,
}

// writeResponseHeader writes the fields of a 101 response that ws.Upgrader does not write.
// It leaves ResponseHeader as it is, which Accept may share between requests.
func (r *Request) writeResponseHeader(w io.Writer) (int64, error) {
	err := r.ResponseHeader.WriteSubset(w, negotiatedFields)
	if r.Subprotocol != "" {
		err = errors.Join(err, http.Header{subprotocolField: {r.Subprotocol}}.Write(w))
	}
	if r.deflate != nil {
		err = errors.Join(err, http.Header{extensionsField: {r.deflate.extension().String()}}.Write(w))
	}
	return 0, err
}

// handshakeTimedOut ends a connection that did not finish its handshake in time.
func (c *Conn) handshakeTimedOut() {
	if c.endpoint.state.ServerSide() {
		c.endpoint.server.counters.timedOut.Add(1)
		c.refuse(Refuse(http.StatusRequestTimeout, "the handshake took too long"), false, ErrHandshakeTimeout)
		return
	}
	c.io.Close(ErrHandshakeTimeout)
}

// handshakeFailed is called at the end of a connection that was never open.
func (c *Conn) handshakeFailed(err error) {
	c.flags.Or(flagHeard)
	if c.endpoint.state.ClientSide() {
		c.dialFailed(err)
		return
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) && !errors.Is(err, ErrHandshakeTimeout) && err != netpoll.ErrPanic { // else it is counted
		c.endpoint.server.counters.aborted.Add(1)
	}
	if hijacked := c.takeHijacked(); hijacked != nil {
		hijacked.err = err
		close(hijacked.done)
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
