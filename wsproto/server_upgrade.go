package wsproto

import (
	"bufio"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// ServeHTTP makes the server an http.Handler, which any router of a net/http server can
// mount: it is Upgrade, with the server's own handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { _ = s.Upgrade(w, r, nil) }

// Upgrade, called by a handler of net/http, opens a WebSocket that h handles; nil stands for
// Server.NewHandler or Server.Handler. It takes the connection out of the net/http server and
// into the engine, which checks the handshake, asks Accept or AcceptAsync, and responds as on the server's
// own port. So a program needs one Server for any number of paths and handlers. On the
// server's own port a handler of Server.HTTP may call it too.
//
// Fields that were set on w before are part of the response. The request's context and path
// values reach Accept and OnOpen through their Request. Upgrade returns when OnOpen has
// returned, because routers reuse what a request's context refers to; it leaves neither a
// goroutine nor a buffer behind. With AcceptAsync it returns earlier if the connection ends
// before the answer: r, and its values, are valid until the context of AcceptAsync's Request is
// cancelled, and a program that may still be at work then copies what it needs. If the handshake fails, Upgrade has responded, and returns
// the reason, usually a [Refusal].
//
// Upgrade cannot take over a connection with the TLS of another net/http server: it responds
// with 501. Use ListenTLS, with the router in HTTP.
func (s *Server) Upgrade(w http.ResponseWriter, r *http.Request, h Handler) error {
	if !isUpgrade(r) {
		return s.requireUpgrade(w, r)
	}
	hijacked := &hijackedRequest{request: r, handler: h, done: make(chan struct{})}
	if refusal := s.checkUpgrade(hijacked); refusal != nil {
		return s.refuseUpgrade(w, r, refusal)
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return s.refuseUpgrade(w, r, Refuse(http.StatusHTTPVersionNotSupported, "a WebSocket needs HTTP/1.1"))
	}
	_ = nc.SetDeadline(time.Time{})
	c := &Conn{endpoint: s.endpoint}
	hijacked.header = w.Header().Clone()
	c.extras().opening = hijacked
	if own, ok := nc.(servedConn); ok {
		nc = own.served().Conn
	}
	if err := s.engine.Adopt(nc, buffered(rw.Reader), (*handle)(c)); err != nil {
		s.logger().Error("cannot take over a connection", "error", err)
		refusal := Refuse(http.StatusNotImplemented, "the server cannot take over this connection for a WebSocket")
		s.countRefusal(refusal)
		_ = nc.SetWriteDeadline(time.Now().Add(s.CloseTimeout))
		_, _ = nc.Write(refusal.encode(false))
		nc.Close()
		return err
	}
	c.io.Again() // even if the client has sent nothing more
	<-hijacked.done
	return hijacked.err
}

// checkUpgrade prepares k for the engine, or returns why the request is refused.
func (s *Server) checkUpgrade(k *hijackedRequest) *Refusal {
	if err := s.begin(); err != nil {
		s.logger().Error("cannot serve WebSockets", "error", err)
		return Refuse(http.StatusInternalServerError, "the WebSocket server cannot start")
	}
	switch r := k.request; {
	case s.closing():
		return s.refuseClosing()
	case r.ContentLength != 0: // net/http takes Transfer-Encoding out of the header
		return Refuse(http.StatusBadRequest, "a WebSocket handshake has no body")
	case foreignTLS(r):
		s.logger().Error("cannot take over a connection", "error", netpoll.ErrForeignTLS)
		return Refuse(http.StatusNotImplemented, foreignTLSReason)
	}
	return k.encode(s)
}

func (s *Server) refuseUpgrade(w http.ResponseWriter, r *http.Request, refusal *Refusal) error {
	s.countRefusal(refusal)
	refusal.ServeHTTP(w, r)
	return refusal
}

// countRefusal counts a handshake that net/http has refused.
func (s *Server) countRefusal(refusal *Refusal) {
	s.counters.refuseUpgrade(refusal.Status)
	s.counters.refuse(refusal.Status)
}

func buffered(r *bufio.Reader) []byte {
	p, _ := r.Peek(r.Buffered())
	return p
}

// requireUpgrade responds to a request that only a WebSocket could serve.
func (s *Server) requireUpgrade(w http.ResponseWriter, r *http.Request) error {
	s.counters.refuse(errUpgradeRequired.Status)
	errUpgradeRequired.ServeHTTP(w, r)
	return errUpgradeRequired
}

var errUpgradeRequired = &Refusal{
	Status: http.StatusUpgradeRequired, Reason: "this is a WebSocket server: connect with ws:// or wss://",
	Header: http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}},
}

func isUpgrade(r *http.Request) bool {
	return slices.ContainsFunc(r.Header["Upgrade"], func(list string) bool { return hasToken(list, "websocket") })
}

// foreignTLS reports whether the request came through TLS that cannot be taken over.
func foreignTLS(r *http.Request) bool {
	_, own := r.Context().Value(ownKey{}).(net.Conn)
	return r.TLS != nil && !own
}

// takesHandshakes reports whether handshakes on the server's own port are its own, and not
// for a handler of HTTP that calls Upgrade.
func (s *Server) takesHandshakes() bool {
	return s.HTTP == nil || s.Handler != nil || s.NewHandler != nil || s.Accept != nil || s.AcceptAsync != nil
}
