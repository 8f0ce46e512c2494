package admin

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

// The limits of a Server.
const (
	MaxConns      = 64               // further connections are closed at once
	MaxHeader     = 16 << 10         // bytes of a request's header
	HeaderTimeout = 5 * time.Second  // from the start of a connection, or of the next request, to the end of its header
	BodyTimeout   = 30 * time.Second // to read the rest of a request that has a body
	Timeout       = 2 * time.Minute  // of a response: see MaxProfile
	IdleTimeout   = time.Minute
	closeTimeout  = time.Second
)

// Server is a server for operators.
type Server struct {
	addr net.Addr
	http http.Server
	done chan struct{} // closed when it accepts no more
}

// Listen serves at "host:port" or "unix:path", with TLS if config is not nil, until Close. The file of a Unix socket on
// which nobody listens any more is replaced.
func Listen(addr string, config *tls.Config, h http.Handler, log *slog.Logger) (*Server, error) {
	l, err := open(addr)
	if err != nil {
		return nil, err
	}
	return serve(l, config, h, log), nil
}

// ListenOn is Listen on a socket that listens already. The server has a descriptor of its own for it.
func ListenOn(socket *os.File, config *tls.Config, h http.Handler, log *slog.Logger) (*Server, error) {
	l, err := net.FileListener(socket)
	if err != nil {
		return nil, err
	}
	return serve(l, config, h, log), nil
}

func serve(l net.Listener, config *tls.Config, h http.Handler, log *slog.Logger) *Server {
	s := &Server{addr: l.Addr(), done: make(chan struct{})}
	s.http = http.Server{
		Handler: withDeadline(h), MaxHeaderBytes: MaxHeader,
		ReadHeaderTimeout: HeaderTimeout, WriteTimeout: Timeout, IdleTimeout: IdleTimeout,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // of what strangers do
	}
	l = &bounded{Listener: l, free: make(chan struct{}, MaxConns)}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l) // until Close
	}()
	return s
}

// withDeadline bounds the time for a body. http.Server.ReadTimeout would also end a request without one that takes longer.
func withDeadline(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(BodyTimeout))
		}
		h.ServeHTTP(w, r)
	})
}

// Addr returns the address that was bound.
func (s *Server) Addr() net.Addr { return s.addr }

// Close stops listening, and waits a second for requests under way before it cuts them.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	<-s.done
}
