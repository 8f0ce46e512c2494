package wsproto

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// ownKey is the key, in the context of a request, of the connection that the engine has given
// to net/http.
type ownKey struct{}

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

// give starts to serve nc, whose address may be what a preamble has told. It never blocks.
func (p *httpServer) give(nc net.Conn, told bool) {
	p.once.Do(func() {
		go func() {
			defer close(p.done)
			_ = p.http.Serve(p.listener)
		}()
	})
	p.listener.put(newHTTPConn(p.server, nc, told))
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
