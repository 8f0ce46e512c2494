package natsbroker

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/brokertest"
	"github.com/fanfare-ws/fanfare/hub/natsbroker/natstest"
)

// Nodes are connected to different servers.
func TestUnstoredInCluster(t *testing.T) {
	servers := natstest.StartCluster(t, 3)
	brokertest.Run(t, func(t *testing.T) brokertest.Setup {
		if !strings.HasPrefix(path.Base(t.Name()), "Unstored") {
			t.Skip("the tests of the faults of clusters have this")
		}
		c := newCluster(Options{Replicas: 3}, servers...)
		return brokertest.Setup{Node: c.node, History: true} // a node that is cut has other servers
	})
}

// Neither a message nor a call of JoinUnstored stores anything.
func TestNothingIsStored(t *testing.T) {
	server := natstest.Start(t, "")
	b := newCluster(Options{}, server).node(t)
	f := follow(t, b, "stored")
	if err := f.JoinUnstored(t.Context(), "unstored"); err != nil {
		t.Fatal(err)
	}
	before := f.mustPublish("before")
	for i := range 100 {
		answered := make(chan error, 1)
		f.Publish(t.Context(), &hub.Envelope{Topic: "unstored", Data: fmt.Append(nil, i), Unstored: true}, func(at hub.Position, err error) {
			if at != (hub.Position{}) {
				t.Errorf("at %v", at)
			}
			answered <- err
		})
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
		if err := f.JoinUnstored(t.Context(), fmt.Sprint("unstored.", i)); err != nil {
			t.Fatal(err)
		}
	}
	if after := f.mustPublish("after"); after.Offset > before.Offset+10 { // some probes of the link
		t.Errorf("at %v, and then at %v", before, after)
	}
	nc, err := nats.Connect(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), f.opts.Stream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(f.subjects.inTopic+"unstored.>"))
	if err != nil || len(info.State.Subjects) > 0 {
		t.Errorf("%v, %v", info.State.Subjects, err)
	}
}

// A copy that another program has forged is left out, and loses nothing.
func TestForgedUnstored(t *testing.T) {
	server := natstest.Start(t, "")
	f := follow(t, newCluster(Options{}, server).node(t), "forged")
	nc, err := nats.Connect(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	f.mustPublish("before")
	for _, from := range []string{"", "x", f.id, f.id + "?", strings.Repeat("é", 40)} {
		if err := nc.PublishMsg(&nats.Msg{Subject: f.subjects.outTopic + "forged", Data: []byte("forged"), Header: nats.Header{headerFrom: {from}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	f.mustPublish("after")
	f.want("before", "after")
}

// A message comes once for each subject that matches it, and counts once.
func TestHeard(t *testing.T) {
	var h heard
	var got []string
	for _, m := range []struct {
		node   string
		number uint64
	}{{"a", 1}, {"a", 1}, {"b", 1}, {"a", 2}, {"b", 1}, {"a", 1}, {"a", 5}, {"a", 5}} {
		if h.first(m.node, m.number) {
			got = append(got, fmt.Sprint(m.node, m.number))
		}
	}
	if want := []string{"a1", "b1", "a2", "a5"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for i := range maxHeard {
		h.first(fmt.Sprint(i), 1)
	}
	if h.first("a", 5) || h.first("b", 1) {
		t.Error("nodes are forgotten too soon")
	}
	for i := range 10 * maxHeard {
		h.first(fmt.Sprint("more ", i), 1)
	}
	if n := len(h.young) + len(h.old); n > 2*maxHeard {
		t.Errorf("%d nodes are remembered", n)
	}
}

// A topic that is joined without a probe gets stored messages from some message on, although others
// came before it.
func TestJudgeFirst(t *testing.T) {
	b := unattached(t)
	b.base, b.top = 10, 20
	b.topics["x"] = &joined{unstored: true, begun: true}
	for _, c := range []struct {
		s    stored
		want verdict
	}{
		{stored{seq: 9}, known},
		{stored{seq: 19, before: 18}, known},
		{stored{seq: 25, before: 22}, fresh},
		{stored{seq: 25, before: 22}, known},
		{stored{seq: 30, before: 25}, fresh},
		{stored{seq: 40, before: 35}, gap},
	} {
		got := b.judgeLocked("x", &c.s)
		if got != c.want {
			t.Errorf("%+v: %v, want %v", c.s, got, c.want)
		}
		if got == fresh {
			b.deliveredLocked("x", c.s.seq)
		}
	}
}
