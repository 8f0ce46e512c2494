package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// cluster is several hubs on one memory broker.
type cluster struct {
	*MemoryBroker
	t     *testing.T
	hubs  []*Hub
	nodes []*MemoryNode
}

func newCluster(t *testing.T, hubs int, b MemoryBrokerOptions, o Options) *cluster {
	c := &cluster{MemoryBroker: NewMemoryBroker(b), t: t}
	for range hubs {
		c.add(o)
	}
	return c
}

// add adds a hub. Its Broker is a new node, which o.Broker wraps if it is a gate.
func (c *cluster) add(o Options) *Hub {
	n := c.Node()
	if w, ok := o.Broker.(*gate); ok {
		w.Broker = n
	} else {
		o.Broker = n
	}
	h := New(o)
	h.Start()
	i := len(c.nodes)
	c.t.Cleanup(func() {
		if c.nodes[i] == nil { // the test has closed it
			return
		}
		if err := n.Close(); err != nil {
			c.t.Error(err)
		}
	})
	c.hubs, c.nodes = append(c.hubs, h), append(c.nodes, n)
	return h
}

// keeping returns options of topics with history.
func keeping(h History) Options {
	return Options{Topic: func(string) *TopicOptions { return &TopicOptions{History: h} }}
}

// gate is a broker whose deliveries wait while it is shut.
type gate struct {
	Broker
	mu sync.Mutex
	// fail, if not nil, is called before History, which fails with its error.
	fail func(context.Context) error
}

func (g *gate) History(ctx context.Context, q HistoryQuery) (HistoryPage, error) {
	if g.fail != nil {
		if err := g.fail(ctx); err != nil {
			return HistoryPage{}, err
		}
	}
	return g.Broker.History(ctx, q)
}

func (g *gate) Attach(n Node) { g.Broker.Attach(gatedNode{n, g}) }

type gatedNode struct {
	Node
	g *gate
}

func (n gatedNode) Deliver(m *Envelope) {
	n.g.mu.Lock()
	//lint:ignore SA2001 it waits for the gate to open
	n.g.mu.Unlock()
	n.Node.Deliver(m)
}

// start subscribes a new fake.
func start(t *testing.T, h *Hub, topic string, o Start) (*fake, Position) {
	t.Helper()
	f := new(fake)
	at, err := h.Subscribe(topic, &f.sub, f, SubscribeOptions{Encoding: raw, Start: o})
	if err != nil {
		t.Fatal(err)
	}
	return f, at
}

// gets waits until f has got exactly these messages.
func (f *fake) gets(t *testing.T, want ...uint64) {
	t.Helper()
	waitFor(t, func() bool { return len(f.received()) >= len(want) })
	if got := f.received(); !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func (f *fake) wasClosed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

func span(from, to uint64) (all []uint64) {
	for n := from; n <= to; n++ {
		all = append(all, n)
	}
	return all
}

func TestNodesGetTheSame(t *testing.T) {
	c := newCluster(t, 3, MemoryBrokerOptions{}, Options{})
	var all []*fake
	for _, h := range c.hubs {
		f, _ := start(t, h, "x", Start{})
		p, _ := start(t, h, "*", Start{})
		all = append(all, f, p)
	}
	var last Position
	for n := range uint64(9) {
		rc := publish(t, c.hubs[n%3], "x", n)
		if rc.Receivers != 2 || rc.Position.Epoch != c.epoch || rc.Position.Offset <= last.Offset {
			t.Errorf("published as %+v after %v", rc, last)
		}
		last = rc.Position
	}
	for _, f := range all {
		f.gets(t, span(0, 8)...)
	}
	for _, h := range c.hubs {
		if ts, _ := h.Topic("x"); ts.Position != last || ts.Published != 9 {
			t.Errorf("at %+v, want %v", ts, last)
		}
	}
}

// Only the publisher is excluded, and only at its own node.
func TestPublisherIsLeftOutAtItsNode(t *testing.T) {
	c := newCluster(t, 2, MemoryBrokerOptions{}, Options{})
	a, _ := start(t, c.hubs[0], "x", Start{})
	b, _ := start(t, c.hubs[0], "x", Start{})
	p, _ := start(t, c.hubs[0], "*", Start{})
	far, _ := start(t, c.hubs[1], "x", Start{})
	for n := range uint64(6) {
		m := number(n)
		if n%2 == 0 {
			m.Exclude = a
		}
		if _, err := a.sub.Publish(m); err != nil {
			t.Fatal(err)
		}
		m.Exclude = nil
	}
	for _, f := range []*fake{b, p, far} {
		f.gets(t, span(0, 5)...)
	}
	a.gets(t, 1, 3, 5)
	l := c.hubs[0].node
	if n := len(l.publishers.young) + len(l.publishers.old); n != 0 {
		t.Errorf("%d publishers are remembered", n)
	}
	// A publisher is not remembered if its message does not come back to this node.
	m := number(6)
	m.Exclude = far
	p.sub.Unsubscribe()
	if _, err := c.hubs[0].Publish("y", m); err != nil || len(l.publishers.young) != 0 {
		t.Errorf("%v, %d publishers are remembered", err, len(l.publishers.young))
	}
}

func TestPublishersAreForgotten(t *testing.T) {
	now := time.Unix(1000, 0)
	p := publishers{now: func() time.Time { return now }}
	s := new(fake)
	first := p.add(s)
	if p.take(first) != Subscriber(s) || p.take(first) != nil || p.take(0) != nil {
		t.Error("not taken once")
	}
	for range 10 * publishersKept {
		p.add(s)
	}
	if n := len(p.young) + len(p.old); n > 2*publishersKept {
		t.Errorf("%d are remembered", n)
	}
	old := p.add(s)
	for range 2 {
		now = now.Add(2 * publishersAge)
		p.add(s)
	}
	if p.take(old) != nil || len(p.young)+len(p.old) != 2 {
		t.Error("the old ones are remembered")
	}
}

// joined returns how many subjects a node has joined, besides the topic of the nodes' commands.
func (c *cluster) joined(node int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.nodes[node].topics) + c.nodes[node].patterns.size
	if _, is := c.nodes[node].topics[controlTopic]; is {
		n--
	}
	return n
}

func TestJoinedWhileNeeded(t *testing.T) {
	c := newCluster(t, 2, MemoryBrokerOptions{}, keeping(History{}))
	a, b := c.hubs[0], c.hubs[1]
	publish(t, a, "x", 1)
	if c.joined(0) != 0 || len(a.Topics()) != 0 {
		t.Error("a topic to which is published only has been joined")
	}
	f, _ := start(t, b, "x", Start{})
	g, _ := start(t, b, "x", Start{})
	p, _ := start(t, b, "x.>", Start{})
	if c.joined(1) != 2 || c.joined(0) != 0 {
		t.Errorf("%d and %d have been joined", c.joined(0), c.joined(1))
	}
	f.sub.Unsubscribe()
	p.sub.Unsubscribe()
	if c.joined(1) != 1 {
		t.Errorf("%d are joined", c.joined(1))
	}
	g.sub.Unsubscribe()
	if c.joined(1) != 0 || len(b.Topics()) != 0 {
		t.Errorf("%d are joined, topics %v", c.joined(1), b.Topics())
	}
	if _, err := b.Subscribe("x", new(Subscription), new(fake), SubscribeOptions{Encoding: raw, Start: Start{After: &Position{1, 2}}}); err == nil || c.joined(1) != 0 {
		t.Errorf("%v; %d are joined", err, c.joined(1))
	}
}

// At a node that has just started, clients resume what other nodes have delivered.
func TestResumeElsewhere(t *testing.T) {
	for _, o := range []History{{Messages: 1000}, {Bytes: 1 << 20}} {
		t.Run(fmt.Sprint(o), func(t *testing.T) {
			c := newCluster(t, 2, MemoryBrokerOptions{History: 1000}, keeping(o))
			var at []Position
			for n := range uint64(20) {
				publish(t, c.hubs[0], "other", n)
				at = append(at, publish(t, c.hubs[0], "x", n).Position)
			}
			f, from := start(t, c.hubs[1], "x", Start{After: &at[4]})
			if from.Epoch != c.epoch || from.Offset < at[4].Offset || from.Offset >= at[5].Offset {
				t.Errorf("begun at %v, want %v", from, at[4])
			}
			last, _ := start(t, c.hubs[1], "x", Start{Last: 3})
			p, _ := start(t, c.hubs[1], "x.*", Start{})
			publish(t, c.hubs[0], "x", 20)
			publish(t, c.hubs[1], "x", 21)
			f.gets(t, span(5, 21)...)
			last.gets(t, span(17, 21)...)
			p.gets(t)
			records, end, err := c.hubs[1].History("x", Start{After: &at[0]}, 5)
			if err != nil || len(records) != 5 || records[0].Offset != at[1].Offset || records[4].Offset != at[5].Offset {
				t.Errorf("%d records, %v", len(records), err)
			}
			if ts, _ := c.hubs[1].Topic("x"); ts.Held != 22 || ts.Published != 2 || ts.Position != end {
				t.Errorf("%+v, at %v", ts, end)
			}
		})
	}
}

// Patterns are resumed as topics are: all topics share one sequence of offsets.
func TestResumePatternElsewhere(t *testing.T) {
	c := newCluster(t, 2, MemoryBrokerOptions{History: 1000}, keeping(History{Messages: 100}))
	var at []Position
	for n := range uint64(20) {
		at = append(at, publish(t, c.hubs[0], fmt.Sprint("x.", n%4), n).Position)
		publish(t, c.hubs[0], "y.1", n)
		publish(t, c.hubs[0], UserTopic("x"), n)
	}
	f, _ := start(t, c.hubs[1], "x.*", Start{After: &at[9]})
	publish(t, c.hubs[0], "x.9", 20)
	f.gets(t, span(10, 20)...)
	all, _ := start(t, c.hubs[0], ">", Start{})
	publish(t, c.hubs[1], UserTopic("x"), 1)
	publish(t, c.hubs[1], "x.1", 21)
	f.gets(t, span(10, 21)...)
	all.gets(t, 21)
	// The topics of users are not in the history of any pattern.
	late, _ := start(t, c.add(keeping(History{Messages: 100})), ">", Start{Last: 2})
	late.gets(t, 20, 21)
	ahead := publish(t, c.hubs[0], "end", 22).Position
	late.gets(t, 20, 21, 22)
	late, _ = start(t, c.hubs[2], "*.*", Start{After: &ahead})
	late.gets(t)
}

// A position is too old if the topic does not keep, or the broker does not hold, the messages
// after it.
func TestResumeTooOld(t *testing.T) {
	for _, c := range []struct {
		name    string
		broker  int
		history History
		oldest  uint64 // the oldest offset after which a client can resume
	}{
		{"of the broker", 5, History{Messages: 100}, 0},
		{"of the topic", 1000, History{Messages: 5}, 15},
		{"no history in the broker", 0, History{Messages: 100}, 20},
		{"no history in the topic", 1000, History{}, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := newCluster(t, 1, MemoryBrokerOptions{History: c.broker}, Options{})
			var at []Position
			for n := range uint64(20) {
				at = append(at, publish(t, cl.hubs[0], "x", n).Position)
			}
			h := cl.add(keeping(c.history))
			oldest := c.oldest
			if c.broker == 5 {
				cl.mu.Lock()
				oldest = cl.forgotten
				cl.mu.Unlock()
			}
			for n := uint64(1); n <= 20; n++ {
				f := new(fake)
				_, err := h.Subscribe("x", &f.sub, f, SubscribeOptions{Encoding: raw, Start: Start{After: &at[n-1]}})
				var old *TooOldError
				if n >= oldest {
					if err != nil {
						t.Fatalf("after %d: %v", n, err)
					}
					f.gets(t, span(n, 19)...)
					continue
				}
				if !errors.As(err, &old) {
					t.Fatalf("after %d: %v", n, err)
				}
				if c.history.kept() && c.broker > 0 && old.Oldest.Offset != oldest {
					t.Errorf("after %d: the oldest is %v, want %d", n, old.Oldest, oldest)
				}
			}
			f := new(fake)
			ahead := Position{at[0].Epoch, 1 << 62}
			if _, err := h.Subscribe("x", &f.sub, f, SubscribeOptions{Encoding: raw, Start: Start{After: &ahead}}); err == nil {
				t.Error("resumed from a position that has not been given")
			}
			f, _ = start(t, h, "x", Start{})
			publish(t, h, "x", 20)
			f.gets(t, 20)
		})
	}
}

// A client that comes from another node may be ahead of this one: because messages are still on
// their way, or because only other topics got messages.
func TestResumeAhead(t *testing.T) {
	c := newCluster(t, 1, MemoryBrokerOptions{History: 1000}, Options{})
	g := new(gate)
	slow := c.add(Options{Broker: g})
	early, _ := start(t, slow, "x", Start{})
	publish(t, c.hubs[0], "x", 0)
	early.gets(t, 0)
	g.mu.Lock()
	var at []Position
	for n := uint64(1); n < 10; n++ {
		at = append(at, publish(t, c.hubs[0], "x", n).Position)
	}
	f, from := start(t, slow, "x", Start{After: &at[4]})
	if from != at[4] {
		t.Errorf("begun at %v, want %v", from, at[4])
	}
	early.gets(t, span(0, 5)...) // they came with the question
	g.mu.Unlock()
	f.gets(t, span(6, 9)...)
	early.gets(t, span(0, 9)...)

	_, elsewhere := start(t, c.hubs[0], "x", Start{})
	publish(t, c.hubs[0], "y", 0)
	_, later := start(t, c.hubs[0], "z", Start{})
	if later.Offset <= elsewhere.Offset {
		t.Fatalf("joined at %v and %v", elsewhere, later)
	}
	f, _ = start(t, slow, "x", Start{After: &later})
	publish(t, c.hubs[0], "x", 10)
	f.gets(t, 10)
}

// Messages that were missed while the connection was down arrive after reconnecting, for topics
// and for patterns, and for subscribers that joined meanwhile.
func TestLossWithHistory(t *testing.T) {
	for _, o := range []Options{{}, keeping(History{Messages: 1000})} {
		connected := make(chan error, 10)
		o.OnLink = func(cause error) { connected <- cause }
		c := newCluster(t, 2, MemoryBrokerOptions{History: 1000}, o)
		a, b := c.hubs[0], c.hubs[1]
		<-connected
		<-connected
		f, _ := start(t, b, "x", Start{})
		p, _ := start(t, b, "*", Start{})
		publish(t, a, "x", 1)
		f.gets(t, 1)
		p.gets(t, 1)
		for round := range uint64(3) {
			c.nodes[1].cut()
			if err := <-connected; !errors.Is(err, ErrLinkDown) {
				t.Fatalf("lost: %v", err)
			}
			for k := range uint64(5) {
				publish(t, a, "x", 2+10*round+k)
			}
			c.nodes[1].restore()
			if err := <-connected; err != nil {
				t.Fatalf("not linked: %v", err)
			}
			for k := range uint64(5) {
				publish(t, a, "x", 7+10*round+k)
			}
			f.gets(t, span(1, 11+10*round)...)
			p.gets(t, span(1, 11+10*round)...)
		}
		if f.wasClosed() != 0 || p.wasClosed() != 0 {
			t.Error("closed")
		}
	}
}

// If the broker has no history, or not enough, or another epoch, subscribers are closed. When they
// resume, they are told about the gap, or get what they missed.
func TestLossWithoutHistory(t *testing.T) {
	for _, c := range []struct {
		name   string
		broker MemoryBrokerOptions
		topic  History
		renew  bool
		resume bool
	}{
		{name: "none"},
		{name: "none in the broker", topic: History{Messages: 100}},
		{name: "too little", broker: MemoryBrokerOptions{History: 3}},
		{name: "another epoch", broker: MemoryBrokerOptions{History: 1000}, topic: History{Messages: 100}, renew: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := newCluster(t, 2, c.broker, keeping(c.topic))
			a, b := cl.hubs[0], cl.hubs[1]
			f, _ := start(t, b, "x", Start{})
			p, _ := start(t, b, "*", Start{})
			at := publish(t, a, "x", 1).Position
			f.gets(t, 1)
			p.gets(t, 1)
			cl.nodes[1].cut()
			for n := range uint64(10) {
				publish(t, a, "x", 2+n)
			}
			if c.renew {
				cl.renew()
			}
			cl.nodes[1].restore()
			for _, f := range []*fake{f, p} {
				waitFor(t, func() bool { return f.wasClosed() == codeRestart })
				f.sub.Unsubscribe()
				f.gets(t, 1)
			}
			back := new(fake)
			var old *TooOldError
			if _, err := b.Subscribe("x", &back.sub, back, SubscribeOptions{Encoding: raw, Start: Start{After: &at}}); !errors.As(err, &old) {
				t.Fatalf("came back: %v", err)
			}
			back, _ = start(t, b, "x", Start{})
			next := publish(t, a, "x", 20).Position
			back.gets(t, 20)
			if old.Latest.Epoch != next.Epoch || old.Latest.Offset > next.Offset {
				t.Errorf("told %+v, then comes %v", old, next)
			}
			if c.renew == (next.Epoch == at.Epoch) {
				t.Errorf("at %v, then at %v", at, next)
			}
		})
	}
}

// A subscriber that was closed because more was missed than is fetched for open subscriptions gets
// the messages when it resumes, if the topic keeps so much.
func TestLossOfMuch(t *testing.T) {
	c := newCluster(t, 2, MemoryBrokerOptions{History: 1000}, keeping(History{Messages: 100}))
	a, b := c.hubs[0], c.hubs[1]
	publish(t, a, "x", 0)
	f, _ := start(t, b, "x", Start{})
	at := publish(t, a, "x", 1).Position
	f.gets(t, 1)
	if _, _, err := b.History("x", Start{Last: 50}, 100); err != nil { // now the log has all that the broker holds
		t.Fatal(err)
	}
	c.nodes[1].cut()
	big := Message{Kind: Binary, Data: (make([]byte, 1<<20))}
	for range 9 {
		if _, err := a.Publish("x", big); err != nil {
			t.Fatal(err)
		}
	}
	c.nodes[1].restore()
	waitFor(t, func() bool { return f.wasClosed() == codeRestart })
	records, _, err := b.History("x", Start{After: &at}, 100)
	if err != nil || len(records) != 9 {
		t.Fatalf("%d messages, %v", len(records), err)
	}
}

// While the connection to the broker is down, calls return ErrLinkDown, and no topic is left behind.
func TestBrokerDown(t *testing.T) {
	c := newCluster(t, 2, MemoryBrokerOptions{History: 100}, keeping(History{Messages: 100}))
	b := c.hubs[1]
	f, _ := start(t, b, "x", Start{})
	publish(t, b, "x", 1)
	f.gets(t, 1)
	c.nodes[1].cut()
	if _, err := b.Publish("x", number(2)); !errors.Is(err, ErrLinkDown) {
		t.Errorf("publish: %v", err)
	}
	if _, err := f.sub.Publish(number(2)); !errors.Is(err, ErrLinkDown) {
		t.Errorf("publish: %v", err)
	}
	if _, err := b.Publish("new", number(2)); !errors.Is(err, ErrLinkDown) {
		t.Errorf("publish: %v", err)
	}
	if _, err := b.PublishMatching("*", number(2)); !errors.Is(err, ErrLinkDown) {
		t.Errorf("publish: %v", err)
	}
	for _, name := range []string{"new", "new.*"} {
		g := new(fake)
		if _, err := b.Subscribe(name, &g.sub, g, SubscribeOptions{Encoding: raw}); !errors.Is(err, ErrLinkDown) {
			t.Errorf("subscribe: %v", err)
		}
	}
	if _, _, err := b.History("new", Start{Last: 1}, 1); !errors.Is(err, ErrLinkDown) {
		t.Errorf("history: %v", err)
	}
	if all := b.Topics(); len(all) != 1 {
		t.Errorf("there are %v", all)
	}
	g, _ := start(t, b, "x", Start{}) // it is here
	c.nodes[1].restore()
	publish(t, c.hubs[0], "x", 3)
	f.gets(t, 1, 3)
	g.gets(t, 3)
	h, _ := start(t, b, "new", Start{})
	publish(t, b, "new", 4)
	h.gets(t, 4)
}

// mute is a broker that never answers in time.
type mute struct{ Broker }

func (mute) Publish(ctx context.Context, _ *Envelope, done func(Position, error)) {
	context.AfterFunc(ctx, func() { done(Position{}, fmt.Errorf("%w: %w", ErrUnacknowledged, ctx.Err())) })
}

func (mute) Join(ctx context.Context, _ string) (Position, error) {
	<-ctx.Done()
	return Position{}, fmt.Errorf("%w: %w", ErrLinkDown, ctx.Err())
}

func (mute) Attach(Node) {}

func TestBrokerTimeout(t *testing.T) {
	h := New(Options{Broker: mute{}, BrokerTimeout: 10 * time.Millisecond})
	if _, err := h.Publish("x", number(1)); !errors.Is(err, ErrUnacknowledged) {
		t.Errorf("publish: %v", err)
	}
	var wg sync.WaitGroup
	for range 10 { // callers that wait for the same topic get the same answer, or ask again
		wg.Go(func() {
			f := new(fake)
			if _, err := h.Subscribe("x", &f.sub, f, SubscribeOptions{Encoding: raw}); !errors.Is(err, ErrLinkDown) {
				t.Errorf("subscribe: %v", err)
			}
		})
	}
	wg.Wait()
	if len(h.Topics()) != 0 {
		t.Error("a topic is left")
	}
}

// A topic that keeps only the latest message for each key gets only those from the broker.
func TestFillConflates(t *testing.T) {
	o := Options{Topic: func(string) *TopicOptions { return &TopicOptions{Slow: Conflate, History: History{Messages: 100}} }}
	c := newCluster(t, 2, MemoryBrokerOptions{History: 1000}, o)
	var first Position
	for n := range uint64(30) {
		m := number(n)
		m.Key = string('a' + rune(n%3))
		if n == 5 {
			m.Key = "x"
		}
		rc, err := c.hubs[0].Publish("x", m)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			first = rc.Position
		}
		if n == 27 {
			start(t, c.hubs[1], "x", Start{})
		}
	}
	waitFor(t, func() bool {
		ts, _ := c.hubs[1].Topic("x")
		return ts.Published == 2
	})
	f, _ := start(t, c.hubs[1], "x", Start{After: &first})
	f.gets(t, 5, 27, 28, 29)
	if ts, _ := c.hubs[1].Topic("x"); ts.Held != 4 {
		t.Errorf("%d are held", ts.Held)
	}
}

// joiningBroker is a broker that runs a function after it has joined a topic, and before the hub
// knows that.
type joiningBroker struct {
	*MemoryNode
	meanwhile func()
}

func (j *joiningBroker) Join(ctx context.Context, subject string) (Position, error) {
	at, err := j.MemoryNode.Join(ctx, subject)
	if subject != controlTopic {
		j.meanwhile()
	}
	return at, err
}

// A message that is delivered before the hub knows that the topic has been joined is before the
// subscription or part of it, even if the connection is lost.
func TestEventsWhileJoining(t *testing.T) {
	for _, cut := range []bool{false, true} {
		c := newCluster(t, 1, MemoryBrokerOptions{}, Options{})
		connected := make(chan error, 10)
		j := &joiningBroker{MemoryNode: c.Node()}
		h := New(Options{Broker: j, OnLink: func(cause error) { connected <- cause }})
		h.Start()
		<-connected
		var last Position
		j.meanwhile = func() {
			last = publish(t, c.hubs[0], "x", 1).Position
			if cut {
				j.cut()
				<-connected
				last = publish(t, c.hubs[0], "x", 2).Position
				j.restore()
				<-connected
			} else {
				waitFor(t, func() bool { ts, _ := h.Topic("x"); return ts.Published == 1 })
			}
		}
		f, at := start(t, h, "x", Start{})
		if at != last {
			t.Errorf("cut %v: begun at %v, want %v", cut, at, last)
		}
		publish(t, c.hubs[0], "x", 3)
		f.gets(t, 3)
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A topic that is joined again may be sent messages that were on their way when it was left, but
// none published in between. It begins after both.
func TestJoinAgain(t *testing.T) {
	for _, o := range []Options{{}, keeping(History{Messages: 10, Age: time.Hour})} {
		c := newCluster(t, 1, MemoryBrokerOptions{}, Options{})
		g := new(gate)
		j := &joiningBroker{meanwhile: func() {}}
		o.Broker = g
		h := c.add(o)
		j.MemoryNode = g.Broker.(*MemoryNode)
		f, _ := start(t, h, "x", Start{})
		g.mu.Lock()
		publish(t, c.hubs[0], "x", 1)
		f.sub.Unsubscribe()
		publish(t, c.hubs[0], "x", 2)
		h.node.broker = j
		j.meanwhile = func() {
			g.mu.Unlock()
			waitFor(t, func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.nodes[1].size == 0 })
		}
		last := publish(t, c.hubs[0], "y", 0).Position
		f, at := start(t, h, "x", Start{})
		if at != last {
			t.Errorf("begun at %v, want %v", at, last)
		}
		records, _, err := h.History("x", Start{Last: 10}, 10)
		if err != nil || len(records) != 0 {
			t.Errorf("%d messages, %v", len(records), err)
		}
		publish(t, c.hubs[0], "x", 3)
		f.gets(t, 3)
	}
}

// A subscriber that is behind when its topic begins anew is closed. It does not count as too slow,
// and gets no message after the gap.
func TestLossWhileBehind(t *testing.T) {
	for _, slow := range []SlowPolicy{Disconnect, DropNewest, DropOldest, Conflate} {
		o := Options{Topic: func(string) *TopicOptions { return &TopicOptions{Slow: slow} }}
		c := newCluster(t, 2, MemoryBrokerOptions{}, o)
		a, b := c.hubs[0], c.hubs[1]
		f, _ := start(t, b, "x", Start{})
		f.stall(true)
		publish(t, a, "x", 1)
		f.gets(t, 1)
		publish(t, a, "x", 2)
		waitFor(t, func() bool { ts, _ := b.Topic("x"); return ts.Published == 2 })
		c.nodes[1].cut()
		publish(t, a, "x", 3)
		c.nodes[1].restore()
		waitFor(t, func() bool { return f.wasClosed() == codeRestart })
		g, _ := start(t, b, "x", Start{})
		publish(t, a, "x", 4)
		g.gets(t, 4)
		f.drain()
		publish(t, a, "x", 5)
		g.gets(t, 4, 5)
		f.gets(t, 1)
		f.sub.Unsubscribe()
		if s := b.Stats(); s.Dropped != 0 || s.Evicted != 0 {
			t.Errorf("%v: %+v", slow, s)
		}
		if ts, _ := b.Topic("x"); ts.Lagging != 0 || ts.Subscribers != 1 {
			t.Errorf("%v: %+v", slow, ts)
		}
	}
}
