// Package sessiontest has what tests of fanfare.v1 clients share: a server of that
// protocol, and one that misbehaves.
package sessiontest

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/wsproto"
	"github.com/fanfare-ws/fanfare/wsproto/wstest"
)

// Timeout is for what happens at once unless something is broken.
const Timeout = 30 * time.Second

// Server is a server with a hub: /hub is the endpoint, /fanfare.js the client, and
// everything else an empty page.
type Server struct {
	*hub.Hub
	Addr   string
	Tokens *Tokens
	server *wsproto.Server
	full   atomic.Int64
}

// Serve starts a server, which is shut down when the test ends. topic is as in
// hub.Options; ?user=NAME in the URL says who connects, or a token of Tokens in a message.
func Serve(t testing.TB, topic func(name string) *hub.TopicOptions) *Server {
	t.Helper()
	return ServeNode(t, nil, topic)
}

// ServeNode is Serve for a node of a cluster. The broker is closed when the test ends.
func ServeNode(t testing.TB, b hub.Broker, topic func(name string) *hub.TopicOptions) *Server {
	t.Helper()
	if b != nil {
		t.Cleanup(func() { _ = b.Close() })
	}
	s := &Server{Tokens: newTokens(), server: &wsproto.Server{Logger: slog.New(slog.DiscardHandler), CheckOrigin: func(*wsproto.Request) bool { return true }}}
	s.full.Store(-1)
	s.Hub = hub.New(hub.Options{
		Workers: wshub.Workers(s.server), Topic: topic, Broker: b,
	})
	end := session.New(s.Hub, session.Options{
		Identify: identify, Authenticate: s.Tokens.authenticate, Identified: s.Tokens.identified, Closed: s.Tokens.closed, Limit: newLimits().limit,
	})
	s.server.Accept = func(r *wsproto.Request) error {
		if r.Path() != "/hub" {
			return wsproto.Refuse(http.StatusNotFound, "there is no WebSocket but at /hub")
		}
		if refused := s.refuseFull(); refused != nil {
			return refused
		}
		return end.Accept(r)
	}
	s.server.HTTP = s.pages()
	s.Addr = wstest.Start(t, s.server).Addr
	return s
}

// Full has the server refuse the next n handshakes with 503 and Retry-After: 1.
func (s *Server) Full(n int64) { s.full.Store(n) }

func (s *Server) refuseFull() error {
	if s.full.Add(-1) < 0 {
		return nil
	}
	return full()
}

func full() *wsproto.Refusal {
	r := wsproto.Refuse(http.StatusServiceUnavailable, "the server is full")
	r.Header = http.Header{"Retry-After": {"1"}}
	return r
}

func identify(r *wsproto.Request) (hub.Identity, error) {
	user := r.Query().Get("user")
	if refused := refuseUser(user); refused != nil {
		return hub.Identity{}, refused
	}
	return hub.Identity{User: user}, nil
}

func refuseUser(user string) *wsproto.Refusal {
	if user == "nobody" {
		return wsproto.Refuse(http.StatusUnauthorized, "nobody is not welcome")
	}
	return nil
}

// explain answers a plain request for the endpoint as a handshake would be answered.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
	refused := refuseUser(r.URL.Query().Get("user"))
	switch {
	case refused != nil:
	case s.full.Load() >= 0:
		refused = full()
	default:
		refused = wsproto.Refuse(http.StatusUpgradeRequired, "connect with ws://")
	}
	refused.ServeHTTP(w, r)
}

func (s *Server) pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /fanfare.js", session.Script)
	mux.HandleFunc("GET /hub", s.explain)
	mux.HandleFunc("GET /nowhere", http.NotFound)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "<!doctype html><title>the page that browsers connect from</title>")
	})
	return mux
}

// Number publishes {"n":n}.
func (s *Server) Number(t testing.TB, topic string, n int) hub.Receipt {
	t.Helper()
	m := hub.Message{Data: fmt.Appendf(nil, `{"n":%d}`, n), Kind: hub.JSON}
	rc, err := s.Publish(topic, m)
	if err != nil {
		t.Fatal(err)
	}
	return rc
}

// Eventually waits until ok, for what nobody can signal.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(Timeout); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("in vain waited for: %s", what)
		}
	}
}
