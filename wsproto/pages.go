package wsproto

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// pages is the ordinary HTTP side of a server: a net/http server whose listener
// yields the connections that turned out to be no WebSockets.
type pages struct {
	server   *Server
	http     *http.Server
	listener *handoff
	done     chan struct{}
	once     sync.Once
}

func newPages(s *Server) *pages {
	p := &pages{server: s, listener: newHandoff(), done: make(chan struct{})}
	p.http = &http.Server{
		Handler:           p,
		ReadHeaderTimeout: s.HandshakeTimeout,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.logger().Handler(), slog.LevelWarn),
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			return context.WithValue(ctx, ownKey{}, nc)
		},
	}
	return p
}

// give starts to serve nc. It never blocks.
func (p *pages) give(nc net.Conn) {
	p.once.Do(func() {
		go func() {
			defer close(p.done)
			_ = p.http.Serve(p.listener)
		}()
	})
	p.listener.put(nc)
}

func (p *pages) shutdown(ctx context.Context) error {
	p.once.Do(func() { close(p.done) }) // it never began, and will not any more
	p.listener.Close()
	err := p.http.Shutdown(ctx)
	if err != nil {
		p.http.Close()
	}
	<-p.done
	return err
}

// ServeHTTP serves a request on a connection that is net/http's already. A
// handshake that comes as a second request on it goes back to the engine.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := p.server
	if isUpgrade(r) {
		s.ServeHTTP(w, r)
	} else if refusal := s.refusePage(r); refusal != nil {
		refusal.ServeHTTP(w, r)
	} else if s.HTTP != nil {
		s.HTTP.ServeHTTP(w, r)
	} else {
		upgradeRequired(w)
	}
}

// refusePage returns why a request that is no handshake is refused, or nil.
func (s *Server) refusePage(r *http.Request) *Refusal {
	if len(r.Header["Origin"]) > 1 {
		return repeated("Origin")
	}
	return s.CheckHost(r)
}

func isUpgrade(r *http.Request) bool {
	return slices.ContainsFunc(r.Header["Upgrade"], func(list string) bool { return hasToken(list, "websocket") })
}

func upgradeRequired(w http.ResponseWriter) {
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Connection", "Upgrade")
	http.Error(w, "this is a WebSocket server: connect with ws:// or wss://", http.StatusUpgradeRequired)
}

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
		http.Error(w, "the header of the handshake is too large", http.StatusRequestHeaderFieldsTooLarge)
		return
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "a WebSocket needs HTTP/1.1", http.StatusHTTPVersionNotSupported)
		return
	}
	_ = nc.SetDeadline(time.Time{})
	c := &Conn{side: s.side}
	carry := &carried{request: r, header: w.Header().Clone(), done: make(chan struct{})}
	c.extras().carry = carry
	if err := s.engine.Adopt(nc, append(head, buffered(rw.Reader)...), (*handle)(c)); err != nil {
		s.logger().Error("cannot take over a connection", "error", err)
		_ = nc.SetWriteDeadline(time.Now().Add(s.CloseTimeout))
		_, _ = nc.Write(Refuse(http.StatusNotImplemented, "the server cannot take over this connection for a WebSocket").encode(false))
		nc.Close()
		return
	}
	<-carry.done
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

// carried is what a connection brings along from net/http.
type carried struct {
	request *http.Request
	header  http.Header
	done    chan struct{} // closed when the request is not looked at any more
}

func (k *carried) apply(r *Request) {
	r.http, r.ctx = k.request, context.WithoutCancel(k.request.Context())
	r.Header = k.header
}

// takeCarried returns what came with the connection, once.
func (c *Conn) takeCarried() *carried {
	x := c.extra.Load()
	if x == nil {
		return nil
	}
	c.extra.Store(nil) // there is nothing else in it yet
	return x.carry
}

// handoff is a net.Listener that is fed by hand.
type handoff struct {
	mu     sync.Mutex
	queue  []net.Conn
	some   chan struct{} // holds a token while queue is not empty
	closed chan struct{}
}

func newHandoff() *handoff {
	return &handoff{some: make(chan struct{}, 1), closed: make(chan struct{})}
}

func (h *handoff) put(nc net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.closed:
		nc.Close()
		return
	default:
	}
	h.queue = append(h.queue, nc)
	h.signalLocked()
}

func (h *handoff) signalLocked() {
	if len(h.queue) > 0 {
		select {
		case h.some <- struct{}{}:
		default:
		}
	}
}

// Accept returns the next connection.
func (h *handoff) Accept() (net.Conn, error) {
	select {
	case <-h.closed:
		return nil, net.ErrClosed
	case <-h.some:
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) == 0 { // closed meanwhile
		return nil, net.ErrClosed
	}
	nc := h.queue[0]
	h.queue[0] = nil
	h.queue = h.queue[1:]
	h.signalLocked()
	return nc, nil
}

// Close closes the connections that nobody took.
func (h *handoff) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.closed:
		return nil
	default:
		close(h.closed)
	}
	var errs []error
	for _, nc := range h.queue {
		errs = append(errs, nc.Close())
	}
	h.queue = nil
	return errors.Join(errs...)
}

// Addr returns no address: the connections come from elsewhere.
func (h *handoff) Addr() net.Addr { return &net.TCPAddr{} }
