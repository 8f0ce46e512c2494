package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/natsbroker/natstest"
)

// admin returns somebody else's view of the stream.
func (c *cluster) admin(t *testing.T, s *natstest.Server) (jetstream.JetStream, string) {
	t.Helper()
	nc, err := nats.Connect(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	o, err := c.options.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return js, o.Stream
}

// A server is killed and comes back with its data: nothing that was answered is lost, the epoch
// remains, and nodes go on by themselves.
func TestServerKilled(t *testing.T) {
	server := natstest.Start(t, "")
	c := newCluster(Options{}, server)
	a, b := follow(t, c.node(t), "killed"), follow(t, c.node(t), "killed")
	first := a.mustPublish("first")
	l := a.publishMany()
	for range 3 {
		b.mu.Lock()
		have, links := len(b.got), b.links
		b.mu.Unlock()
		b.await("messages", func() bool { return len(b.got) > have+50 })
		server.Kill()
		b.await("a loss", func() bool { return !b.up })
		if _, err := b.publish("down"); !errors.Is(err, hub.ErrLinkDown) && !errors.Is(err, hub.ErrUnacknowledged) {
			t.Errorf("publish without a server: %v", err)
		}
		server.Restart()
		b.await("a link", func() bool { return b.up && b.links > links })
	}
	l.end()
	l.check(b)
	if at := a.mustPublish("last"); at.Epoch != first.Epoch {
		t.Errorf("the epoch was %d, and is %d", first.Epoch, at.Epoch)
	}
}

// Connections fail while messages are on their way. They are stored once, and each answer is true.
func TestDuplicates(t *testing.T) {
	c := newCluster(Options{}, natstest.Start(t, ""))
	nodeA := c.node(t)
	a, b := follow(t, nodeA, "twice"), follow(t, c.node(t), "twice")
	l := a.publishMany()
	for range 10 {
		b.mu.Lock()
		have := len(b.got)
		b.mu.Unlock()
		b.await("messages", func() bool { return len(b.got) > have+20 })
		a.mu.Lock()
		losses := len(a.losses)
		a.mu.Unlock()
		restore := cut(t, nodeA)
		a.await("a loss", func() bool { return len(a.losses) > losses })
		restore()
		a.await("a link", func() bool { return a.up })
	}
	l.end()
	l.check(b)
}

// Somebody else deletes or purges the stream. The nodes begin another epoch, and go on.
func TestStreamGone(t *testing.T) {
	server := natstest.Start(t, "")
	for name, remove := range map[string]func(context.Context, jetstream.JetStream, string) error{
		"deleted": func(ctx context.Context, js jetstream.JetStream, stream string) error {
			return js.DeleteStream(ctx, stream)
		},
		"purged": func(ctx context.Context, js jetstream.JetStream, stream string) error {
			s, err := js.Stream(ctx, stream)
			if err != nil {
				return err
			}
			return s.Purge(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(Options{CheckEvery: 50 * time.Millisecond}, server)
			a, b := follow(t, c.node(t), "gone"), follow(t, c.node(t), "gone")
			before := a.mustPublish("before")
			b.await("a message", func() bool { return len(b.got) == 1 })
			js, stream := c.admin(t, server)
			if err := remove(t.Context(), js, stream); err != nil {
				t.Fatal(err)
			}
			for _, f := range []*follower{a, b} {
				f.await("another epoch", func() bool { return f.up && f.last.Epoch != before.Epoch })
			}
			at := a.mustPublish("after")
			b.await("a message", func() bool { return len(b.got) == 1 && b.last == at })
			if at.Epoch == before.Epoch {
				t.Errorf("%v, then %v", before, at)
			}
			page, err := b.History(t.Context(), hub.HistoryQuery{Subject: "gone", UpTo: at.Offset})
			if err != nil || len(page.Messages) != 1 || page.Epoch != at.Epoch {
				t.Errorf("history: %+v, %v", page, err)
			}
		})
	}
}

// A stream that nobody may create is waited for.
func TestNoCreate(t *testing.T) {
	server := natstest.Start(t, "")
	c := newCluster(Options{NoCreate: true}, server)
	said := make(chan error, 1000)
	o := c.options
	o.URLs, o.OnError = []string{server.URL}, func(err error) {
		select {
		case said <- err:
		default:
		}
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{Broker: b, close: b.Close, t: t, topic: "x", changed: make(chan struct{})}
	f.Attach(f)
	t.Cleanup(func() { f.close() })
	select {
	case err := <-said:
		if !errors.Is(err, jetstream.ErrStreamNotFound) {
			t.Errorf("without a stream: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("without a stream: nothing is said")
	}
	if _, err := f.publish("x"); !errors.Is(err, hub.ErrLinkDown) {
		t.Errorf("publish without a stream: %v", err)
	}
	config, err := StreamConfig(o)
	if err != nil {
		t.Fatal(err)
	}
	js, _ := c.admin(t, server)
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	f.await("a link", func() bool { return f.up })
	f.mustPublish("x")
}

// Two clusters share a server, and do not see each other.
func TestTwoPrefixes(t *testing.T) {
	server := natstest.Start(t, "")
	one, other := newCluster(Options{}, server), newCluster(Options{}, server)
	a, b := follow(t, one.node(t), "same"), follow(t, other.node(t), "same")
	for i := range 20 {
		a.mustPublish(fmt.Sprint("a", i))
		b.mustPublish(fmt.Sprint("b", i))
	}
	for prefix, f := range map[string]*follower{"a": a, "b": b} {
		f.await("all messages", func() bool { return len(f.got) >= 20 })
		f.mu.Lock()
		for i, m := range f.got {
			if want := fmt.Sprint(prefix, i); string(m.Data) != want {
				t.Errorf("message %d is %q, want %q", i, m.Data, want)
			}
		}
		f.mu.Unlock()
	}
}

// leader returns the leader of the stream.
func (c *cluster) leader(t *testing.T) *natstest.Server {
	t.Helper()
	limit := time.Now().Add(patience)
	for i := 0; time.Now().Before(limit); i++ {
		s := c.servers[i%len(c.servers)]
		nc, err := nats.Connect(s.URL)
		if err != nil {
			continue
		}
		name := leaderSeenBy(nc, c.options)
		nc.Close()
		for _, s := range c.servers {
			if s.Name == name {
				return s
			}
		}
	}
	t.Fatal("the stream has no leader")
	return nil
}

func leaderSeenBy(nc *nats.Conn, o Options) string {
	o, err := o.withDefaults()
	if err != nil {
		return ""
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s, err := js.Stream(ctx, o.Stream)
	if err != nil || s.CachedInfo().Cluster == nil {
		return ""
	}
	return s.CachedInfo().Cluster.Leader
}

// direct returns a node that reaches all servers.
func (c *cluster) direct(t *testing.T) hub.Broker {
	t.Helper()
	o := c.options
	for _, s := range c.servers {
		o.URLs = append(o.URLs, s.URL)
	}
	o.OnError = func(err error) { t.Log(err) }
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &proxied{b, natstest.NewProxy(t, c.servers[0])}
}

// The leader of a stream with three replicas is killed, again and again: what was answered is
// delivered.
func TestLeaderKilled(t *testing.T) {
	c := newCluster(Options{Replicas: 3}, natstest.StartCluster(t, 3)...)
	a, b := follow(t, c.direct(t), "leader"), follow(t, c.direct(t), "leader")
	l := a.publishMany()
	for range 2 {
		for range 2 {
			b.mu.Lock()
			have := len(b.got)
			b.mu.Unlock()
			b.await("messages", func() bool { return len(b.got) > have+50 })
		}
		leader := c.leader(t)
		leader.Kill()
		b.mu.Lock()
		have := len(b.got)
		b.mu.Unlock()
		b.await("messages from another leader", func() bool { return len(b.got) > have+50 })
		leader.Restart()
	}
	l.end()
	l.check(b)
	for _, f := range []*follower{a, b} {
		f.mu.Lock()
		if err := errors.Join(f.failures...); err != nil {
			t.Errorf("history of a connection that works: %v", err)
		}
		f.mu.Unlock()
	}
}

// A node leaves a server that is about to end.
func TestLameDuck(t *testing.T) {
	servers := natstest.StartCluster(t, 3)
	c := newCluster(Options{Replicas: 3}, servers...)
	f := follow(t, c.direct(t), "duck")
	f.mustPublish("before")
	f.Broker.mu.Lock()
	url := f.session.nc.ConnectedUrl()
	f.Broker.mu.Unlock()
	for _, s := range servers {
		if s.URL == url {
			s.LameDuck()
		}
	}
	f.await("another server", func() bool { // a leader may be elected first
		return f.up && slices.ContainsFunc(f.losses, func(err error) bool { return errors.Is(err, errLameDuck) })
	})
	f.mustPublish("after")
	f.await("messages", func() bool { return len(f.got) == 2 })
}

// A node with many topics misses messages to a few of them. It asks the stream for these only. FANFARE_FULL=1 has 100,000
// topics.
func TestManyTopics(t *testing.T) {
	topics := 12_000
	if os.Getenv("FANFARE_FULL") != "" {
		topics = 100_000
	}
	c := newCluster(Options{}, natstest.Start(t, ""))
	node := c.node(t)
	f, other := attach(t, node, ""), attach(t, c.node(t), "")
	name := func(i int) string { return fmt.Sprint("many.", i) }
	var all sync.WaitGroup
	for k := range 16 {
		all.Go(func() {
			for i := k; i < topics; i += 16 {
				if _, err := f.Join(t.Context(), name(i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	flying := make(chan struct{}, maxInFlight)
	publish := func(i int) {
		all.Add(1)
		flying <- struct{}{}
		other.Publish(t.Context(), &hub.Envelope{Topic: name(i), Data: []byte("x")}, func(_ hub.Position, err error) {
			<-flying
			if err != nil {
				t.Error(err)
			}
			all.Done()
		})
	}
	for i := range topics {
		publish(i)
	}
	all.Wait()
	f.await("all messages", func() bool { return f.delivered == topics })
	restore := cut(t, node)
	f.await("a loss", func() bool { return !f.up })
	for i := 0; i < topics; i += 100 {
		publish(i)
	}
	all.Wait()
	restore()
	f.await("a link", func() bool { return f.up })
	f.Broker.mu.Lock()
	at, silent := f.base, 0
	for i := range topics {
		if f.wasSilentLocked(&hub.HistoryQuery{Subject: name(i), After: at - 1, UpTo: at}) {
			silent++
		}
	}
	f.Broker.mu.Unlock()
	if want := topics - topics/100; silent != want {
		t.Errorf("%d topics are known to have had no message, want %d", silent, want)
	}
	for i := range topics / 100 {
		page, err := f.History(t.Context(), hub.HistoryQuery{Subject: name(100 * i), UpTo: at})
		if err != nil || len(page.Messages) != 2 {
			t.Fatalf("%d messages of %s, %v", len(page.Messages), name(100*i), err)
		}
	}
}
