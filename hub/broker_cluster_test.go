package hub

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The property of a cluster: a client that connects to any node, and resumes at any node at the
// position of the last message that it got, sees the messages of its topic in the order in which
// they were published, each once, and is told about every gap. This holds no matter what happens
// to the connections to the broker.
func TestClusterOrder(t *testing.T) {
	keep := History{Messages: 100_000}
	for _, c := range []struct {
		name   string
		broker int
		topic  History
		cuts   bool
		renew  bool
		told   bool // clients may be told about gaps
	}{
		{name: "no interruptions", broker: 100_000, topic: keep},
		{name: "history", broker: 100_000, topic: keep, cuts: true},
		{name: "history of the broker alone", broker: 100_000, cuts: true, told: true},
		{name: "short history", broker: 50, topic: History{Messages: 20}, cuts: true, told: true},
		{name: "no history", cuts: true, told: true},
		{name: "new epochs", broker: 100_000, topic: keep, cuts: true, renew: true, told: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newVoyage(t, c.broker, c.topic)
			w.told, w.renew = c.told, c.renew
			w.run(c.cuts)
			w.check()
		})
	}
}

const (
	voyageHubs       = 3
	voyageTopics     = 3
	voyagePublishers = 4
	voyageClients    = 12
)

type voyage struct {
	*cluster
	told  bool
	renew bool
	stop  chan struct{}

	mu        sync.Mutex
	published [voyageTopics][]Position
	clients   []*client
	cuts      atomic.Int64
	tooOld    atomic.Int64
	resumed   atomic.Int64
}

func newVoyage(t *testing.T, kept int, h History) *voyage {
	return &voyage{cluster: newCluster(t, voyageHubs, MemoryBrokerOptions{History: kept}, keeping(h)), stop: make(chan struct{})}
}

func topicName(i int) string { return fmt.Sprint("t.", i) }

// run lets publishers publish, clients connect and disconnect, and connections to the broker fail,
// until enough has happened. Then the clients get the remaining messages.
func (w *voyage) run(cuts bool) {
	const most = 20_000 // messages
	var publishers, others sync.WaitGroup
	for p := range voyagePublishers {
		publishers.Go(func() {
			for n := 0; n < most && (n < 100 || w.resumed.Load()+w.tooOld.Load() < 100 || cuts && w.cuts.Load() < 12); n++ {
				w.publish(p % voyageHubs)
				for range rand.IntN(20) {
					yield()
				}
			}
		})
	}
	for i := range voyageClients {
		c := &client{voyage: w, topic: i % voyageTopics}
		w.clients = append(w.clients, c)
		others.Go(c.live)
	}
	if cuts {
		for i, n := range w.nodes[:voyageHubs-1] { // the last one stays connected, for finish
			others.Go(func() { w.fail(i, n) })
		}
	}
	publishers.Wait()
	close(w.stop)
	others.Wait()
	for _, c := range w.clients {
		c.finish()
	}
}

func (w *voyage) publish(node int) {
	topic := rand.IntN(voyageTopics)
	for {
		rc, err := w.hubs[node].Publish(topicName(topic), number(0))
		if err == nil {
			w.mu.Lock()
			w.published[topic] = append(w.published[topic], rc.Position)
			w.mu.Unlock()
			return
		}
		if !errors.Is(err, ErrLinkDown) {
			w.t.Errorf("publish: %v", err)
			return
		}
		yield()
	}
}

// fail interrupts the connection of a node to the broker again and again.
func (w *voyage) fail(i int, n *MemoryNode) {
	for round := 0; ; round++ {
		select {
		case <-w.stop:
			return
		case <-time.After(time.Duration(rand.IntN(3000)) * time.Microsecond):
		}
		n.cut()
		w.cuts.Add(1)
		if i == 0 && round == 3 && w.renew {
			w.MemoryBroker.renew()
		}
		time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
		n.restore()
	}
}

// client is a client that connects again and again.
type client struct {
	*voyage
	topic int
	seen  []stretch
	at    *Position // the position at which it resumes; nil if it begins anew
	now   *visitor
}

// stretch is the messages that a client got without having been told about a gap.
type stretch struct {
	begin Position
	got   []uint64 // offsets
}

// visitor is a client while it is connected.
type visitor struct{ fake }

func (c *client) live() {
	for {
		select {
		case <-c.stop:
			return
		default:
		}
		if !c.come(rand.IntN(voyageHubs)) {
			yield()
			continue
		}
		for range rand.IntN(3000) {
			if c.now.wasClosed() != 0 {
				break
			}
			yield()
		}
		c.leave()
	}
}

// come subscribes, and returns false if the node cannot.
func (c *client) come(node int) bool {
	v := &visitor{fake{loop: rand.IntN(2)}}
	o := SubscribeOptions{Encoding: offsets, Start: Start{After: c.at}}
	at, err := c.hubs[node].Subscribe(topicName(c.topic), &v.sub, v, o)
	var old *TooOldError
	switch {
	case errors.As(err, &old):
		c.tooOld.Add(1)
		if !c.told {
			c.t.Errorf("client at %v: %v", c.at, err)
		}
		c.at = nil
		return c.come(node)
	case errors.Is(err, ErrLinkDown):
		return false
	case err != nil:
		c.t.Errorf("subscribe: %v", err)
		return false
	}
	if c.at == nil {
		c.seen = append(c.seen, stretch{begin: at})
	} else {
		c.resumed.Add(1)
	}
	c.at, c.now = &at, v
	return true
}

// leave disconnects.
func (c *client) leave() {
	c.now.mu.Lock()
	c.now.closed = codeNormal // it takes no more
	got := c.now.got
	c.now.mu.Unlock()
	c.now.sub.Unsubscribe()
	c.now = nil
	if n := len(got); n > 0 {
		s := &c.seen[len(c.seen)-1]
		s.got = append(s.got, got...)
		c.at = &Position{c.at.Epoch, got[n-1]}
	}
}

// finish gets the remaining messages at the node that was connected all the time.
func (c *client) finish() {
	if !c.come(voyageHubs - 1) {
		c.t.Fatal("cannot resume")
	}
	c.mu.Lock()
	want := c.after(*c.at)
	c.mu.Unlock()
	waitFor(c.t, func() bool { return len(c.now.received()) >= len(want) })
	c.leave()
}

// after returns the offsets of the messages published after p, in its epoch.
func (c *client) after(p Position) (all []uint64) {
	for _, q := range c.published[c.topic] {
		if q.Epoch == p.Epoch && q.Offset > p.Offset {
			all = append(all, q.Offset)
		}
	}
	slices.Sort(all)
	return all
}

func (w *voyage) check() {
	messages := 0
	for i, c := range w.clients {
		for k, s := range c.seen {
			messages += len(s.got)
			want := c.after(s.begin)
			if len(s.got) > len(want) || !slices.Equal(s.got, want[:len(s.got)]) {
				w.t.Errorf("client %d, stretch %d, begun at %v: %s", i, k, s.begin, differ(s.got, want))
			}
			if last := k == len(c.seen)-1; last && len(s.got) != len(want) {
				w.t.Errorf("client %d: got %d of %d in the end", i, len(s.got), len(want))
			}
		}
	}
	if messages == 0 || w.resumed.Load() == 0 {
		w.t.Errorf("%d messages, %d clients came back: nothing was tested", messages, w.resumed.Load())
	}
	w.t.Logf("%d messages, %d cuts; %d times came back, %d times told that it was too late", messages, w.cuts.Load(), w.resumed.Load(), w.tooOld.Load())
}

func differ(got, want []uint64) string {
	for i := range got {
		if i >= len(want) || got[i] != want[i] {
			from := max(0, i-3)
			return fmt.Sprintf("%v, want %v", got[from:min(i+4, len(got))], want[min(from, len(want)):min(i+4, len(want))])
		}
	}
	return "?"
}

// Older messages, which are fetched from the broker on demand, never take the place of a message
// that was superseded before all subscribers have got the messages after it.
func TestOlderMessagesDoNotComeLate(t *testing.T) {
	var m manual
	topic := func(string) *TopicOptions { return &TopicOptions{Slow: Conflate, History: History{Messages: 50}} }
	c := newCluster(t, 1, MemoryBrokerOptions{History: 1000}, Options{Topic: topic})
	h := c.add(Options{Topic: topic, Workers: m.on(1)})
	n := uint64(0)
	pub := func(key string) {
		n++
		msg := number(n)
		msg.Key = key
		rc, err := c.hubs[0].Publish("x", msg)
		if err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool {
			ts, ok := h.Topic("x")
			return !ok || ts.Position.Offset >= rc.Position.Offset
		})
	}
	start(t, c.hubs[0], "x", Start{})
	for _, key := range []string{"a", "b", "c"} {
		pub(key)
	}
	live, late, later := new(fake).join(t, h, "x"), new(fake), new(fake)
	pub("k")
	m.runAll()
	for range 70 { // more than the log keeps holes for
		pub("k")
	}
	subscribe := func(f *fake) {
		if _, err := h.Subscribe("x", &f.sub, f, SubscribeOptions{Encoding: raw, Start: Start{Last: 10}}); err != nil {
			t.Fatal(err)
		}
	}
	subscribe(late)
	m.runAll()
	wantGot(t, "who was there", live, 4, 74)
	if n := live.sub.Dropped(); n != 69 {
		t.Errorf("%d were dropped, want 69", n)
	}
	wantGot(t, "who came meanwhile", late, 74)
	subscribe(later)
	m.runAll()
	wantGot(t, "who came afterwards", later, 1, 2, 3, 74)
}
