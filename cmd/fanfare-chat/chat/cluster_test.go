package chat

import (
	"log/slog"
	"net/http"
	"testing"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store/storetest"
	"github.com/fanfare-ws/fanfare/cmd/internal/cluster"
	"github.com/fanfare-ws/fanfare/hub/natsbroker"
	"github.com/fanfare-ws/fanfare/hub/natsbroker/natstest"
)

// serveNode starts a node of a chat.
func serveNode(t *testing.T, database, nats string) *server {
	t.Helper()
	link, err := cluster.New(natsbroker.Options{URLs: []string{nats}, Topic: TopicOptions}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := serveStore(t, database, func(s store.Store) store.Store { return s }, func(o *Options) { o.Cluster = link })
	s.chat.Start()
	if !settles(link.Up) {
		t.Fatal("the node is not linked")
	}
	return s
}

// at returns the same person with the same login at another node.
func (p *person) at(s *server) *person {
	other := *p
	other.server = s
	return &other
}

// Two nodes have one database. People see at one node what others write at the other, also what was written while NATS was away.
// A login or a membership that ends at one node has no connection at the other.
func TestCluster(t *testing.T) {
	nats := natstest.Start(t, "")
	database := storetest.Postgres(t).Database(t)
	a, b := serveNode(t, database, nats.URL), serveNode(t, database, nats.URL)
	ada, bob := a.signUp("Ada"), b.signUp("Bob")
	room := ada.makes("general", false)
	bob.joins(room)
	topic := roomTopic(room)
	here, there, bobs := ada.opens(), ada.at(b).opens(), bob.opens()
	for _, g := range []*page{here, there, bobs} {
		g.subscribes(topic)
	}
	here.says(topic, "1", "from a")
	bobs.says(topic, "1", "from b")
	for _, g := range []*page{here, there, bobs} {
		if m := g.hears(topic); m.Text != "from a" || m.Rev != 1 {
			t.Errorf("%s at %s: %+v", g.name, g.addr, m)
		}
		if m := g.hears(topic); m.Text != "from b" || m.Rev != 2 {
			t.Errorf("%s at %s: %+v", g.name, g.addr, m)
		}
	}

	nats.Kill()
	if !settles(func() bool { return !a.chat.opts.Cluster.Up() && !b.chat.opts.Cluster.Up() }) {
		t.Fatal("the loss is not noticed")
	}
	here.says(topic, "2", "lost on its way") // of which the next revision tells a page
	here.says(topic, "3", "while NATS is away")
	nats.Restart()
	if m := bobs.hears(topic); m.Text != "while NATS is away" || m.Rev != 4 {
		t.Errorf("%+v", m)
	}
	var changes struct{ Messages []messageJSON }
	bob.asks("GET", "/api/rooms/"+number(room)+"/changes?after=2", "", http.StatusOK, &changes)
	if len(changes.Messages) != 2 || changes.Messages[0].Text != "lost on its way" {
		t.Errorf("%+v", changes)
	}

	ada.asks("POST", "/api/logout", "", http.StatusNoContent, nil)
	if e := closed(t, there.Conn); int(e.Code) != loggedOut.Code {
		t.Errorf("at the other node: %v", e)
	}
	bob.at(a).asks("POST", "/api/rooms/"+number(room)+"/leave", "", http.StatusNoContent, nil)
	for {
		if e := bobs.event(); e.End != nil && e.End.Topic == topic {
			break
		}
	}
}
