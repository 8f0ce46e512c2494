package wstest

import (
	"context"
	"crypto/tls"
	"log/slog"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Timeout is how long this package waits for events that happen at once unless
// something is broken.
const Timeout = 30 * time.Second

// Server is a [wsproto.Server] on a free port of the loopback interface. It is shut down
// when the test ends.
type Server struct {
	*wsproto.Server
	// Addr is the address that the server listens on, host:port.
	Addr string
	// URL is ws://Addr, or wss://Addr for a server with TLS.
	URL string

	tls *tls.Config // of clients
}

// NewServer starts a server whose connections h handles.
func NewServer(t testing.TB, h wsproto.Handler) *Server {
	t.Helper()
	return Start(t, &wsproto.Server{Handler: h})
}

// NewTLSServer is NewServer with TLS and a certificate that the server's Client trusts.
func NewTLSServer(t testing.TB, h wsproto.Handler) *Server {
	t.Helper()
	return StartTLS(t, &wsproto.Server{Handler: h})
}

// Start starts s. If s has no Logger, it logs to the test.
func Start(t testing.TB, s *wsproto.Server) *Server {
	t.Helper()
	prepare(t, s)
	addr, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &Server{Server: s, Addr: addr.String(), URL: "ws://" + addr.String()}
}

// StartTLS is Start with TLS and a certificate that the server's Client trusts.
func StartTLS(t testing.TB, s *wsproto.Server) *Server {
	t.Helper()
	prepare(t, s)
	cert, key, trust := netpolltest.Certificate(t)
	addr, err := s.ListenTLS("127.0.0.1:0", cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return &Server{Server: s, Addr: addr.String(), URL: "wss://" + addr.String(), tls: trust}
}

func prepare(t testing.TB, s *wsproto.Server) {
	if s.Logger == nil {
		s.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	t.Cleanup(func() { Shutdown(t, s) })
}

// Shutdown shuts s down and fails the test if that takes longer than Timeout.
func Shutdown(t testing.TB, s interface{ Shutdown(context.Context) error }) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// Client returns a client that trusts the server's certificate.
func (s *Server) Client() *wsproto.Client { return &wsproto.Client{TLSConfig: s.tls} }

// Dial opens a connection to path, "/chat" for example, with the server's Client.
func (s *Server) Dial(t testing.TB, path string) *Conn {
	t.Helper()
	return Dial(t, s.Client(), s.URL+path)
}
