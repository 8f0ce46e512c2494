package hub

import (
	"errors"
	"slices"
	"testing"
)

// unstoring returns options of topics whose names begin with u, and of all patterns, that are not stored.
func unstoring() Options {
	return Options{Topic: func(name string) *TopicOptions { return &TopicOptions{Unstored: name[0] == 'u'} }}
}

// refuses subscribes after a position, and checks that the client is told about a gap.
func refuses(t *testing.T, h *Hub, topic string, at Position) {
	t.Helper()
	f := new(fake)
	if _, err := h.Subscribe(topic, &f.sub, f, SubscribeOptions{Encoding: raw, Start: Start{After: &at}}); !errors.As(err, new(*TooOldError)) {
		t.Errorf("resumed %s at %v: %v", topic, at, err)
	}
}

// Messages that are not stored reach all nodes and the patterns that match, and get positions of the
// node. A client resumes at its node if it has missed nothing, and is told about a gap otherwise.
func TestUnstored(t *testing.T) {
	c := newCluster(t, 2, MemoryBrokerOptions{History: 1000}, unstoring())
	a, b := c.hubs[0], c.hubs[1]
	x, at := start(t, a, "u.x", Start{})
	far, farAt := start(t, b, "u.x", Start{})
	p, pAt := start(t, b, "u.>", Start{})
	if at.Epoch == farAt.Epoch || at.Epoch == c.epoch || pAt.Epoch == c.epoch {
		t.Errorf("begun at %v, %v and %v; the broker is at %v", at, farAt, pAt, c.epoch)
	}
	for n := range uint64(10) {
		if rc := publish(t, c.hubs[n%2], "u.x", n); rc.Position != (Position{}) || rc.Receivers == 0 {
			t.Errorf("published as %+v", rc)
		}
	}
	for _, f := range []*fake{x, far, p} {
		f.gets(t, span(0, 9)...)
	}
	if ts, _ := a.Topic("u.x"); ts.Position != (Position{at.Epoch, at.Offset + 10}) || ts.Published != 10 {
		t.Errorf("%+v", ts)
	}
	if c.last != 0 || len(c.held) != 0 {
		t.Errorf("the broker is at %d, and holds %d", c.last, len(c.held))
	}
	now := Position{at.Epoch, at.Offset + 10}
	back, _ := start(t, a, "u.x", Start{After: &now})
	publish(t, b, "u.x", 10)
	back.gets(t, 10)
	x.gets(t, span(0, 10)...)
	refuses(t, a, "u.x", now)                                  // 10 is not held
	refuses(t, b, "u.x", Position{now.Epoch, now.Offset + 1})  // of another node
	refuses(t, a, "u.x", Position{now.Epoch, now.Offset + 20}) // has not been given
	refuses(t, b, "u.>", Position{c.epoch, 0})                 // a pattern that has the broker's positions elsewhere
}

// After a lost connection the subscribers of unstored topics are closed, even if no stored message was
// missed; those of other topics are not.
func TestUnstoredLoss(t *testing.T) {
	c := newCluster(t, 2, MemoryBrokerOptions{History: 1000}, unstoring())
	a, b := c.hubs[0], c.hubs[1]
	x, at := start(t, b, "u.x", Start{})
	p, pAt := start(t, b, "u.*", Start{})
	other, _ := start(t, b, "x", Start{})
	idle, _ := start(t, a, "u.x", Start{})
	publish(t, b, "u.x", 1)
	x.gets(t, 1)
	p.gets(t, 1)
	c.nodes[1].cut()
	publish(t, a, "u.x", 2)
	if _, err := b.Publish("u.x", number(3)); !errors.Is(err, ErrLinkDown) {
		t.Errorf("published: %v", err)
	}
	c.nodes[1].restore()
	for _, f := range []*fake{x, p} {
		waitFor(t, func() bool { return f.wasClosed() == codeRestart })
		f.sub.Unsubscribe()
		f.gets(t, 1)
	}
	refuses(t, b, "u.x", Position{at.Epoch, at.Offset + 1})
	refuses(t, b, "u.*", Position{pAt.Epoch, pAt.Offset + 1})
	x, _ = start(t, b, "u.x", Start{})
	publish(t, a, "u.x", 4)
	publish(t, a, "x", 5)
	x.gets(t, 4)
	other.gets(t, 5)
	idle.gets(t, 1, 2, 4)
	if other.wasClosed() != 0 || idle.wasClosed() != 0 {
		t.Error("others are closed")
	}
}

// Nodes whose rules differ deliver all messages, and no client resumes across what it has missed.
func TestUnstoredAtOneNode(t *testing.T) {
	c := newCluster(t, 1, MemoryBrokerOptions{History: 1000}, unstoring())
	b := c.add(keeping(History{Messages: 100}))
	a := c.hubs[0]
	x, _ := start(t, a, "u.x", Start{})
	at := publish(t, b, "u.x", 1).Position // it is stored
	x.gets(t, 1)
	if ts, _ := a.Topic("u.x"); ts.Position.Epoch == at.Epoch {
		t.Errorf("%+v", ts)
	}
	far, _ := start(t, b, "u.x", Start{})
	p, _ := start(t, b, "*.x", Start{})
	publish(t, a, "u.x", 2) // it is not, and ends the broker's positions at b
	for _, f := range []*fake{far, p} {
		waitFor(t, func() bool { return f.wasClosed() == codeRestart })
		f.sub.Unsubscribe()
	}
	refuses(t, b, "u.x", at)
	refuses(t, b, "*.x", at)
	x.gets(t, 1, 2)
	far, _ = start(t, b, "u.x", Start{})
	p, _ = start(t, b, "*.x", Start{})
	var want []uint64
	for n := uint64(3); n < 20; n++ {
		publish(t, c.hubs[n%2], "u.x", n)
		want = append(want, n)
	}
	far.gets(t, want...)
	p.gets(t, want...)
	x.gets(t, append([]uint64{1, 2}, want...)...)
	if far.wasClosed() != 0 || p.wasClosed() != 0 || x.wasClosed() != 0 {
		t.Error("closed again")
	}
}

// A stored message that is delivered again does not come twice to a topic with the node's positions.
func TestUnstoredTopicGetsStoredMessageOnce(t *testing.T) {
	o, linked := unstoring(), make(chan error, 1)
	o.OnLink = func(err error) { linked <- err }
	c := newCluster(t, 1, MemoryBrokerOptions{}, o)
	h := c.hubs[0]
	<-linked // the broker calls nothing after this
	f, _ := start(t, h, "u.x", Start{})
	g := h.node
	for _, offset := range []uint64{5, 5, 4, 6} {
		g.Deliver(&Envelope{Topic: "u.x", Kind: Binary, Data: number(offset).Data, Position: Position{c.epoch, offset}})
	}
	g.Deliver(&Envelope{Topic: "u.x", Kind: Binary, Data: number(9).Data, Unstored: true})
	f.gets(t, 5, 6, 9)
}

// A message that excludes its publisher is left out at its node only.
func TestUnstoredExcludes(t *testing.T) {
	c := newCluster(t, 2, MemoryBrokerOptions{}, unstoring())
	f, _ := start(t, c.hubs[0], "u.x", Start{})
	far, _ := start(t, c.hubs[1], "u.x", Start{})
	for n := range uint64(4) {
		m := number(n)
		if n%2 == 0 {
			m.Exclude = f
		}
		if _, err := f.sub.Publish(m); err != nil {
			t.Fatal(err)
		}
	}
	far.gets(t, 0, 1, 2, 3)
	f.gets(t, 1, 3)
}

// storing is a broker that stores everything.
type storing struct{ Broker }

// With a broker that cannot do it, the messages are stored.
func TestUnstoredCannot(t *testing.T) {
	c := newCluster(t, 1, MemoryBrokerOptions{History: 10}, Options{})
	o := unstoring()
	node := c.Node()
	o.Broker = storing{node}
	h := New(o)
	defer node.Close()
	f, _ := start(t, h, "u.x", Start{})
	if rc := publish(t, h, "u.x", 1); rc.Position != (Position{c.epoch, 1}) {
		t.Errorf("published as %+v", rc)
	}
	f.gets(t, 1)
}

func TestUnstoredWithHistory(t *testing.T) {
	o := Options{Topic: func(string) *TopicOptions { return &TopicOptions{Unstored: true, History: History{Messages: 1}} }}
	c := newCluster(t, 1, MemoryBrokerOptions{}, o)
	if _, err := c.hubs[0].Publish("x", number(1)); err == nil {
		t.Error("published")
	}
	f := new(fake)
	if _, err := c.hubs[0].Subscribe("x", &f.sub, f, SubscribeOptions{Encoding: raw}); err == nil {
		t.Error("subscribed")
	}
}

// The connection is lost again and again while messages are published: a subscriber has got all
// messages of each publisher from the first that it got, in order, until it was told about a loss.
func TestUnstoredOrder(t *testing.T) {
	c := newCluster(t, 2, MemoryBrokerOptions{}, unstoring())
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for n := uint64(0); ; n++ {
			select {
			case <-stop:
				return
			default:
				if _, err := c.hubs[0].Publish("u.x", number(n)); err != nil {
					t.Error(err)
				}
			}
			for range 100 { // the pace of the publisher
				yield()
			}
		}
	}()
	for range 20 {
		f, _ := start(t, c.hubs[1], "u.x", Start{})
		waitFor(t, func() bool { return len(f.received()) > 3 })
		c.nodes[1].cut()
		c.nodes[1].restore()
		waitFor(t, func() bool { return f.wasClosed() == codeRestart })
		f.sub.Unsubscribe()
		got := f.received()
		if want := span(got[0], got[0]+uint64(len(got))-1); !slices.Equal(got, want) {
			t.Fatalf("got %v", got)
		}
	}
	close(stop)
	<-stopped
}
