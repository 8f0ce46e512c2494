package wsproto

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// ServeHTTP makes the server an http.Handler, which can be mounted in any router
// of a net/http server: it takes the connection out of that server and into the
// engine, where the handshake is judged and answered as on the server's own port.
// Fields that were set on w before are part of the answer; the request's context
// and path values reach Accept and OnOpen through their Request. It returns when
// OnOpen has, since routers use again what stands in a request's context, and
// leaves neither a goroutine nor a buffer behind. A connection whose TLS that other
// server does cannot be taken over, which is answered with 501: use ListenTLS, with
// the router in HTTP.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !isUpgrade(r) {
		upgradeRequired(w)
		return
	}
	if err := s.begin(); err != nil {
		s.logger().Error("cannot serve WebSockets", "error", err)
		http.Error(w, "the WebSocket server cannot start", http.StatusInternalServerError)
		return
	}
	if s.closing() {
		http.Error(w, "the server shuts down", http.StatusServiceUnavailable)
		return
	}
	if r.ContentLength != 0 { // net/http takes Transfer-Encoding out of the header
		http.Error(w, "a WebSocket handshake has no body", http.StatusBadRequest)
		return
	}
	if foreignTLS(r) {
		s.logger().Error("cannot take over a connection", "error", netpoll.ErrForeignTLS)
		http.Error(w, foreignTLSReason, http.StatusNotImplemented)
		return
	}
	head, ok := encodeHead(r, s.MaxHeader)
	if !ok {
		s.tooLarge(netip.AddrPortFrom(peerOf(r), 0)).ServeHTTP(w, r)
		return
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "a WebSocket needs HTTP/1.1", http.StatusHTTPVersionNotSupported)
		return
	}
	_ = nc.SetDeadline(time.Time{})
	c := &Conn{endpoint: s.endpoint}
	hijacked := &hijackedRequest{request: r, header: w.Header().Clone(), done: make(chan struct{})}
	c.extras().hijacked = hijacked
	if own, ok := nc.(servedConn); ok {
		nc = own.served().Conn
	}
	if err := s.engine.Adopt(nc, append(head, buffered(rw.Reader)...), (*handle)(c)); err != nil {
		s.logger().Error("cannot take over a connection", "error", err)
		_ = nc.SetWriteDeadline(time.Now().Add(s.CloseTimeout))
		_, _ = nc.Write(Refuse(http.StatusNotImplemented, "the server cannot take over this connection for a WebSocket").encode(false))
		nc.Close()
		return
	}
	<-hijacked.done
}

// encodeHead writes the request's header again as it stood on the wire.
func encodeHead(r *http.Request, limit int) (head []byte, ok bool) {
	var b bytes.Buffer
	b.WriteString(r.Method + " " + r.RequestURI + " " + r.Proto + "\r\n")
	if r.Host != "" {
		b.WriteString("Host: " + r.Host + "\r\n")
	}
	_ = r.Header.Write(&b)
	b.WriteString("\r\n")
	return b.Bytes(), b.Len() <= limit
}

func buffered(r *bufio.Reader) []byte {
	p, _ := r.Peek(r.Buffered())
	return p
}

// hijackedRequest is what a connection brings along from net/http.
type hijackedRequest struct {
	request *http.Request
	header  http.Header
	done    chan struct{} // closed when the request is not looked at any more
}

func (k *hijackedRequest) apply(r *Request) {
	r.http, r.ctx = k.request, context.WithoutCancel(k.request.Context())
	r.ResponseHeader = k.header
}

// takeHijacked returns what came with the connection, once.
func (c *Conn) takeHijacked() *hijackedRequest {
	x := c.extra.Load()
	if x == nil {
		return nil
	}
	c.extra.Store(nil) // there is nothing else in it yet
	return x.hijacked
}
