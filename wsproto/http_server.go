package wsproto

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
)

// httpServer serves ordinary HTTP: it is a net/http server whose listener yields the
// connections that turned out not to be WebSockets.
type httpServer struct {
	server   *Server
	http     *http.Server
	listener *connListener
	done     chan struct{}
	once     sync.Once
	idle     idleHTTPConns
}

func newHTTPServer(s *Server) *httpServer {
	p := &httpServer{server: s, listener: newConnListener(), done: make(chan struct{})}
	p.http = &http.Server{
		Handler:           p,
		ReadHeaderTimeout: s.HandshakeTimeout,
		IdleTimeout:       s.IdleTimeout,
		MaxHeaderBytes:    max(s.MaxHeader-headerSlop, 1),
		ConnState:         p.stateOf,
		ErrorLog:          slog.NewLogLogger(s.logger().Handler(), slog.LevelWarn),
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			return context.WithValue(ctx, ownKey{}, nc)
		},
	}
	return p
}

// headerSlop is by how much net/http lets a header exceed MaxHeaderBytes.
const headerSlop = 4 << 10

// stateOf is called by net/http for each change of a connection's state.
func (p *httpServer) stateOf(nc net.Conn, state http.ConnState) {
	c := nc.(servedConn).served()
	switch state {
	case http.StateIdle:
		p.idle.add(c)
	case http.StateHijacked:
		c.hijacked.Store(true)
		fallthrough
	default:
		p.idle.remove(c)
	}
}

// give starts to serve nc. It never blocks.
func (p *httpServer) give(nc net.Conn) {
	p.once.Do(func() {
		go func() {
			defer close(p.done)
			_ = p.http.Serve(p.listener)
		}()
	})
	p.listener.put(newHTTPConn(p.server, nc))
}

func (p *httpServer) shutdown(ctx context.Context) error {
	p.once.Do(func() { close(p.done) }) // it has not begun, and will not begin any more
	p.listener.Close()
	err := p.http.Shutdown(ctx)
	if err != nil {
		p.http.Close()
	}
	<-p.done
	return err
}

// ServeHTTP serves a request on a connection that net/http has. A handshake that is a later
// request on such a connection goes back to the engine.
func (p *httpServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if isUpgrade(r) && p.server.takesHandshakes() {
		p.server.ServeHTTP(w, r)
		return
	}
	c := r.Context().Value(ownKey{}).(servedConn).served()
	if !c.mayStay(r) {
		w.Header().Set("Connection", "close")
	}
	if r.ContentLength == 0 {
		p.serve(w, r)
		return
	}
	b := newBody(c, r)
	a := &reply{ResponseWriter: w, body: b}
	r.Body = b
	p.serve(a, r)
	a.end()
}

func (p *httpServer) serve(w http.ResponseWriter, r *http.Request) {
	p.server.checkForwarded(peerOf(r), r.Header.Values)
	if refusal := p.server.refuseHTTP(r); refusal != nil {
		p.server.counters.refuse(refusal.Status)
		refusal.ServeHTTP(w, r)
	} else if h := p.server.HTTP; h != nil {
		h.ServeHTTP(w, r)
	} else {
		_ = p.server.requireUpgrade(w, r)
	}
}

// refuseHTTP returns why a request that is not a handshake is refused, or nil.
func (s *Server) refuseHTTP(r *http.Request) *Refusal {
	if len(r.Header["Origin"]) > 1 {
		return errRepeated("Origin")
	}
	return s.CheckHost(r)
}

func isUpgrade(r *http.Request) bool {
	return slices.ContainsFunc(r.Header["Upgrade"], func(list string) bool { return hasToken(list, "websocket") })
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
