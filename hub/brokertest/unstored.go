package brokertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// unstorers returns nodes of a broker that is a hub.Unstorer.
func (s Setup) unstorers(t *testing.T, count int) (all []*recorder) {
	t.Helper()
	for range count {
		n := s.node(t)
		if _, ok := n.Broker.(hub.Unstorer); !ok {
			t.Skip("the broker is no hub.Unstorer")
		}
		all = append(all, n)
	}
	return all
}

func (r *recorder) joinUnstored(t *testing.T, topics ...string) {
	t.Helper()
	for _, topic := range topics {
		if err := r.Broker.(hub.Unstorer).JoinUnstored(within(t), topic); err != nil {
			t.Fatalf("join %q: %v", topic, err)
		}
	}
}

// publishUnstored publishes a message that is not stored, and checks its answer.
func (r *recorder) publishUnstored(t *testing.T, m *hub.Envelope) {
	t.Helper()
	m.Unstored = true
	if at, err := publish(within(t), r, m); err != nil || at != (hub.Position{}) {
		t.Errorf("publish to %q: %v, %v", m.Topic, at, err)
	}
}

// awaitPath publishes to an unstored topic until each node has got a message of each: nodes that are
// connected to different servers learn about each other.
func awaitPath(t *testing.T, topic string, nodes ...*recorder) {
	t.Helper()
	for i, from := range nodes {
		for k, to := range nodes {
			payload := fmt.Sprint("path ", i)
			limit := time.Now().Add(timeout)
			for !slices.Contains(payloads(to.of(topic)), payload) {
				if time.Now().After(limit) {
					t.Fatalf("nothing comes from node %d to node %d", i, k)
				}
				have := len(from.of(topic))
				from.publishUnstored(t, text(topic, payload))
				from.await(t, "its own message", func() bool { return len(from.got) > have })
			}
		}
	}
}

// count returns how many messages have been delivered whose payloads begin so. Called with r locked.
func (r *recorder) count(prefix string) (n int) {
	for _, m := range r.got {
		if strings.HasPrefix(string(m.Data), prefix) {
			n++
		}
	}
	return n
}

// unstored tests messages that are not stored: each node gets each once, no matter how many of its
// subjects match, and those of each publisher in order.
func unstored(t *testing.T, s Setup) {
	const messages = 300
	nodes := s.unstorers(t, 3)
	for i, n := range nodes {
		if i > 0 {
			n.join(t, "unstored.*", "unstored.>", ">")
		}
		n.joinUnstored(t, "unstored.x")
	}
	awaitPath(t, "unstored.x", nodes...)
	var answers sync.WaitGroup
	ctx := within(t)
	for i, n := range nodes {
		for k := range messages {
			answers.Add(1)
			m := text("unstored.x", fmt.Sprintf("%d %04d", i, k))
			m.Unstored = true
			n.Publish(ctx, m, func(at hub.Position, err error) {
				if err != nil || at != (hub.Position{}) {
					t.Errorf("answer: %v, %v", at, err)
				}
				answers.Done()
			})
		}
	}
	answers.Wait()
	for _, n := range nodes {
		n.publishUnstored(t, text("unstored.x", "end")) // further copies of n's messages would come before it
	}
	for i, n := range nodes {
		n.await(t, "the ends", func() bool { return n.count("end") == len(nodes) })
		last := make(map[string]string)
		all := slices.DeleteFunc(payloads(n.of("unstored.x")), func(s string) bool { return s == "end" || strings.HasPrefix(s, "path ") })
		for _, payload := range all {
			publisher, k, _ := strings.Cut(payload, " ")
			if k <= last[publisher] {
				t.Errorf("node %d: %s's %s comes after %s", i, publisher, k, last[publisher])
			}
			last[publisher] = k
		}
		if len(all) != len(nodes)*messages {
			t.Errorf("node %d has got %d messages, want %d", i, len(all), len(nodes)*messages)
		}
	}
}

// unstoredContent tests that all fields of a message arrive that is not stored.
func unstoredContent(t *testing.T, s Setup) {
	nodes := s.unstorers(t, 2)
	for _, n := range nodes {
		n.joinUnstored(t, "uc.a", "@uc ü")
	}
	awaitPath(t, "uc.a", nodes...)
	awaitPath(t, "@uc ü", nodes...)
	for _, m := range []hub.Envelope{
		{Topic: "uc.a", Kind: hub.Text, Data: []byte("grüße\n")},
		{Topic: "@uc ü", Kind: hub.Binary, Data: []byte{0, 255}, Key: "the \"key\"\r\n: ü", Origin: hub.Origin{Node: 1<<64 - 1, Publisher: 1<<63 + 1}},
		{Topic: "uc.a", Kind: hub.JSON, Data: []byte(`{"a":1}`), Origin: hub.Origin{Node: 7}},
	} {
		begun := time.Now()
		nodes[0].publishUnstored(t, &m)
		for _, n := range nodes {
			n.await(t, "the message", func() bool { return n.count(string(m.Data)) > 0 })
			all := n.of(m.Topic)
			got := *all[slices.Index(payloads(all), string(m.Data))]
			if d := got.Time.Sub(begun); d < -time.Minute || d > time.Minute {
				t.Errorf("it was published at %v, not %v", got.Time, begun)
			}
			if got.Topic != m.Topic || got.Kind != m.Kind || got.Key != m.Key || got.Origin != m.Origin || !got.Unstored || got.Position != (hub.Position{}) {
				t.Errorf("published %+v, delivered %+v", m, got)
			}
		}
	}
}

// unstoredMixed tests nodes that do not agree whether a topic's messages are stored. All arrive, and
// those that are stored in their order, also at a pattern; nothing is lost, or in the history that was not stored.
func unstoredMixed(t *testing.T, s Setup) {
	nodes := s.unstorers(t, 3)
	a, b, c := nodes[0], nodes[1], nodes[2]
	a.publish(t, "mixed.x", "before")
	a.joinUnstored(t, "mixed.x")
	start := b.join(t, "mixed.x")
	c.join(t, "mixed.*")
	awaitPath(t, "mixed.x", nodes...)
	var want []string
	var last hub.Position
	for i := range 40 {
		at := b.publish(t, "mixed.x", fmt.Sprint("stored ", i))
		a.publishUnstored(t, text("mixed.x", fmt.Sprint("unstored ", i)))
		if want = append(want, fmt.Sprint("stored ", i)); at.Offset <= last.Offset {
			t.Errorf("%v comes after %v", at, last)
		}
		last = at
	}
	for i, n := range nodes {
		n.awaitPosition(t, last)
		n.await(t, "all messages", func() bool { return n.count("unstored ") == len(want) })
		all := slices.DeleteFunc(n.of("mixed.x"), func(m *hub.Envelope) bool { return m.Unstored })
		if got := payloads(all); !slices.Equal(got, want) {
			t.Errorf("node %d has got %q", i, got)
		}
		if len(n.losses) > 0 {
			t.Errorf("node %d was told of a loss: %v", i, n.losses)
		}
	}
	if !s.History {
		return
	}
	page, err := c.History(within(t), hub.HistoryQuery{Subject: "mixed.*", After: start.Offset, UpTo: last.Offset})
	if err != nil || !slices.Equal(payloads(page.Messages), want) {
		t.Errorf("history: %q, %v", payloads(page.Messages), err)
	}
}

// unstoredLoss tests a lost connection: the node is told about the loss, publishing fails meanwhile,
// and works afterwards.
func unstoredLoss(t *testing.T, s Setup) {
	if s.Cut == nil {
		t.Skip("the Setup cannot cut a connection")
	}
	nodes := s.unstorers(t, 2)
	a, b := nodes[0], nodes[1]
	for _, n := range nodes {
		n.joinUnstored(t, "ul.x")
	}
	for i := range 3 {
		awaitPath(t, "ul.x", nodes...)
		restore := s.Cut(t, b.Broker)
		b.await(t, "a loss", func() bool { return len(b.losses) > i && !b.up })
		m := text("ul.x", "from b")
		m.Unstored = true
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		if _, err := publish(ctx, b, m); !errors.Is(err, hub.ErrLinkDown) {
			t.Errorf("publish without a connection: %v", err)
		}
		if err := b.Broker.(hub.Unstorer).JoinUnstored(ctx, "ul.new"); !errors.Is(err, hub.ErrLinkDown) {
			t.Errorf("join without a connection: %v", err)
		}
		cancel()
		a.publishUnstored(t, text("ul.x", fmt.Sprint("meanwhile ", i)))
		restore()
		b.await(t, "another connection", func() bool { return len(b.linkedAt) > 1+i && b.up })
		b.mu.Lock()
		b.got = nil // what awaitPath has seen
		b.mu.Unlock()
		a.mu.Lock()
		a.got = nil
		a.mu.Unlock()
	}
	for _, n := range nodes {
		n.joinUnstored(t, "ul.new")
	}
	awaitPath(t, "ul.new", nodes...)
	b.Leave("ul.new")
	b.Leave("ul.x")
	b.join(t, "ul.end")
	have := len(b.of("ul.new"))
	a.publishUnstored(t, text("ul.new", "left"))
	b.awaitPosition(t, a.publish(t, "ul.end", "end"))
	if n := len(b.of("ul.new")); n > have {
		t.Errorf("%d messages came after Leave", n-have)
	}
}
