// Package sessiontest has what tests of fanfare.v1 clients share: a server of that
// protocol, and one that misbehaves.
package sessiontest

import (
	"fmt"
	"log/slog"
	"net/http"
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
	server *wsproto.Server
}

// Serve starts a server, which is shut down when the test ends. topic is as in
// hub.Options; ?user=NAME in the URL says who connects.
func Serve(t testing.TB, topic func(name string) *hub.TopicOptions) *Server {
	t.Helper()
	s := &Server{server: &wsproto.Server{Logger: slog.New(slog.DiscardHandler), CheckOrigin: func(*wsproto.Request) bool { return true }}}
	s.Hub = hub.New(hub.Options{
		Workers: wshub.Workers(s.server), Topic: topic,
	})
	end := session.New(s.Hub, session.Options{Identify: identify})
	s.server.Accept = func(r *wsproto.Request) error {
		if r.Path() != "/hub" {
			return wsproto.Refuse(http.StatusNotFound, "there is no WebSocket but at /hub")
		}
		return end.Accept(r)
	}
	s.server.HTTP = pages()
	s.Addr = wstest.Start(t, s.server).Addr
	return s
}

func identify(r *wsproto.Request) (hub.Identity, error) {
	user := r.Query().Get("user")
	if user == "nobody" {
		return hub.Identity{}, wsproto.Refuse(http.StatusUnauthorized, "nobody is not welcome")
	}
	return hub.Identity{User: user}, nil
}

func pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /fanfare.js", session.Script)
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
