package brokertest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// sameID tests that a message with an ID is published once, also if another node publishes it again.
func sameID(t *testing.T, s Setup) {
	a, b := s.node(t), s.node(t)
	a.join(t, "id.a", "id.b")
	m := func(topic, data, id string) *hub.Envelope {
		e := text(topic, data)
		e.ID = id
		return e
	}
	var told []hub.Position
	for _, c := range []struct {
		by *recorder
		m  *hub.Envelope
	}{
		{a, m("id.a", "1", "x")}, {b, m("id.a", "1", "x")}, {b, m("id.a", "2", "y")}, {a, m("id.b", "3", "x")}, {a, m("id.a", "4", "")}, {b, m("id.a", "4", "")},
	} {
		at, err := publish(within(t), c.by, c.m)
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, at)
	}
	if told[0] != told[1] || told[1] == told[2] || told[2] == told[3] || told[4] == told[5] {
		t.Errorf("the positions are %v", told)
	}
	a.await(t, "the last message", func() bool { return len(a.got) > 0 && a.got[len(a.got)-1].Position == told[5] })
	var got []string
	for _, m := range a.got {
		got = append(got, string(m.Data))
	}
	if want := []string{"1", "2", "3", "4", "4"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// order tests publishers at several nodes. All nodes get the same messages, each once, at the
// position that its publisher was told. The messages of each publisher keep their order.
func order(t *testing.T, s Setup) {
	const publishers, messages = 3, 40
	topics := []string{"order.a", "order.b"}
	nodes := []*recorder{s.node(t), s.node(t), s.node(t)}
	for _, n := range nodes {
		n.join(t, topics...)
	}
	var mu sync.Mutex
	told := make(map[hub.Position]string)
	var wg sync.WaitGroup
	for i, n := range nodes {
		for p := range publishers {
			wg.Go(func() {
				for k := range messages {
					payload := fmt.Sprintf("%d.%d %06d", i, p, k)
					at, err := publish(within(t), n, text(topics[k%len(topics)], payload))
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					if old, ok := told[at]; ok {
						t.Errorf("%q and %q are both at %v", old, payload, at)
					}
					told[at] = payload
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, n := range nodes {
		n.await(t, "all messages", func() bool { return len(n.got) >= len(told) })
		last := make(map[string]string)
		for _, m := range n.got {
			payload := string(m.Data)
			if told[m.Position] != payload {
				t.Errorf("%q is delivered at %v; there is %q", payload, m.Position, told[m.Position])
			}
			publisher, k, _ := strings.Cut(payload, " ")
			if k <= last[publisher] {
				t.Errorf("%s's %s is delivered after %s", publisher, k, last[publisher])
			}
			last[publisher] = k
		}
		for _, topic := range topics {
			if err := same(n.of(topic), nodes[0].of(topic)); err != nil {
				t.Error(err)
			}
		}
	}
}

// inFlight: a publisher that waits for no answer; its messages keep their order within each
// topic, and each is answered once, with the position at which it is delivered.
func inFlight(t *testing.T, s Setup) {
	const messages = 500
	topics := []string{"flight.a", "flight.b"}
	a, b := s.node(t), s.node(t)
	b.join(t, topics...)
	told := make([]hub.Position, messages)
	var answers sync.WaitGroup
	ctx := within(t)
	for i := range messages {
		answers.Add(1)
		a.Publish(ctx, text(topics[i%len(topics)], fmt.Sprint(i)), func(at hub.Position, err error) {
			if err != nil {
				t.Errorf("message %d: %v", i, err)
			}
			told[i] = at
			answers.Done() // panics, sooner or later, if there are two answers
		})
	}
	answers.Wait()
	if t.Failed() {
		return
	}
	b.await(t, "all messages", func() bool { return len(b.got) >= messages })
	for k, topic := range topics {
		all := b.of(topic)
		for j, m := range all {
			i := k + j*len(topics)
			if string(m.Data) != fmt.Sprint(i) || m.Position != told[i] {
				t.Fatalf("message %d of %s is %q at %v, want %d at %v", j, topic, m.Data, m.Position, i, told[i])
			}
		}
	}
}

// content tests that all fields of a message arrive, also at the publisher's own node.
func content(t *testing.T, s Setup) {
	a, b := s.node(t), s.node(t)
	a.join(t, "content")
	b.join(t, "content")
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, m := range []hub.Envelope{
		{Kind: hub.Text, Data: []byte("grüße\n")},
		{Kind: hub.Binary, Data: every, Key: "the \"key\"\r\n: ü", Origin: hub.Origin{Node: 1<<64 - 1, Publisher: 1<<63 + 1}},
		{Kind: hub.JSON, Data: []byte(`{"a":1}`), Origin: hub.Origin{Node: 7}},
		{Kind: hub.Binary},
		{Kind: hub.Text, Key: strings.Repeat("k", 255)},
	} {
		m.Topic = "content"
		begun := time.Now()
		at, err := publish(within(t), a, &m)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []*recorder{a, b} {
			n.awaitPosition(t, at)
			all := n.of("content")
			got := *all[len(all)-1]
			if d := got.Time.Sub(begun); d < -time.Minute || d > time.Minute {
				t.Errorf("it was published at %v, not %v", got.Time, begun)
			}
			if got.Topic != m.Topic || got.Kind != m.Kind || !bytes.Equal(got.Data, m.Data) ||
				got.Key != m.Key || got.Origin != m.Origin || got.Position != at {
				t.Errorf("published %+v at %v, delivered %+v", m, at, got)
			}
		}
	}
}

// names tests all kinds of valid topic names.
func names(t *testing.T, s Setup) {
	a, b := s.node(t), s.node(t)
	all := []string{
		"n", "names.with.many.tokens.in.a.row", "@user", "日本.東京", "a:b_c~d@e", "$SYS.names", "$JS.API.names",
		"%41", "a\\b", "names'\"`", "#", "NAMES", "names", strings.Repeat("x", 255), strings.Repeat("y.", 127) + "y",
	}
	for _, name := range all {
		if err := hub.CheckName(name); err != nil {
			t.Fatal(err)
		}
		b.join(t, name)
	}
	for i, name := range all {
		b.awaitPosition(t, a.publish(t, name, fmt.Sprint(i)))
		if got := payloads(b.of(name)); !slices.Equal(got, []string{fmt.Sprint(i)}) {
			t.Errorf("%q: delivered %q, want %d once", name, got, i)
		}
	}
}

// interest tests that a node gets the messages of the topics it has joined, and no others.
func interest(t *testing.T, s Setup) {
	a, b, none := s.node(t), s.node(t), s.node(t)
	a.join(t, "interest.a")
	b.join(t, "interest.b", "interest.both")
	a.join(t, "interest.both")
	for i := range 20 {
		b.publish(t, "interest.a", fmt.Sprint(i))
		a.publish(t, "interest.b", fmt.Sprint(i))
		none.publish(t, "interest.none", fmt.Sprint(i))
	}
	last := none.publish(t, "interest.both", "end")
	a.awaitPosition(t, last)
	b.awaitPosition(t, last)
	none.join(t, "interest.end")
	none.awaitPosition(t, none.publish(t, "interest.end", "end"))
	for _, c := range []struct {
		n    *recorder
		want map[string]int
	}{
		{a, map[string]int{"interest.a": 20, "interest.both": 1}},
		{b, map[string]int{"interest.b": 20, "interest.both": 1}},
		{none, map[string]int{"interest.end": 1}},
	} {
		got := make(map[string]int)
		for _, m := range c.n.got {
			got[m.Topic]++
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("delivered %v, want %v", got, c.want)
		}
	}
}

// patterns tests that the messages of a pattern arrive, in order over all its topics.
func patterns(t *testing.T, s Setup) {
	a, b := s.node(t), s.node(t)
	b.join(t, "patterns.*.x", "patterns.tail.>")
	for _, topic := range []string{
		"patterns.1.x", "patterns.x", "patterns.1.2.x", "patterns.2.x", "patterns.tail", "patterns.tail.1",
		"patterns.1.y", "patterns.tail.1.2", "patterns.3.x",
	} {
		a.publish(t, topic, topic)
	}
	b.join(t, "patterns.end")
	b.awaitPosition(t, a.publish(t, "patterns.end", "end"))
	want := []string{"patterns.1.x", "patterns.2.x", "patterns.tail.1", "patterns.tail.1.2", "patterns.3.x", "end"}
	if got := payloads(b.got); !slices.Equal(got, want) {
		t.Errorf("delivered %q, want %q", got, want)
	}
}

// overlap tests that a node that leaves one of several subjects that match a message still gets
// the message.
func overlap(t *testing.T, s Setup) {
	a := s.node(t)
	subjects := []string{"overlap.x", "overlap.*", "overlap.>"}
	a.join(t, subjects...)
	a.awaitPosition(t, a.publish(t, "overlap.x", "three"))
	a.Leave(subjects[1])
	a.awaitPosition(t, a.publish(t, "overlap.x", "two"))
	a.Leave(subjects[0])
	a.awaitPosition(t, a.publish(t, "overlap.x", "one"))
	a.join(t, subjects[1])
	a.Leave(subjects[2])
	a.awaitPosition(t, a.publish(t, "overlap.x", "one again"))
	if got := len(a.of("overlap.x")); got != 4 {
		t.Errorf("delivered %d, want 4", got)
	}
}

// joinIsExact tests that a node that joins while others publish gets all messages after the
// position that Join returned.
func joinIsExact(t *testing.T, s Setup) {
	const messages = 400
	a, b := s.node(t), s.node(t)
	all := make([]hub.Position, 0, messages)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range messages {
			at, err := publish(within(t), a, text("exact", fmt.Sprint(i)))
			if err != nil {
				t.Error(err)
				return
			}
			all = append(all, at)
		}
	}()
	type stay struct{ from, to hub.Position }
	var stays []stay
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		at := b.join(t, "exact")
		// The mark is published after Join, so it is delivered, and so is everything before it.
		mark := b.publish(t, "exact", "mark")
		b.awaitPosition(t, mark)
		stays = append(stays, stay{at, mark})
		b.Leave("exact")
	}
	if t.Failed() {
		return
	}
	for _, st := range stays {
		for _, p := range all {
			if p.Offset > st.from.Offset && p.Offset <= st.to.Offset && !b.seen[p] {
				t.Fatalf("joined at %v; %v was not delivered, %v was", st.from, p, st.to)
			}
		}
	}
}

// leave tests that messages published after Leave do not arrive, and that the topic can be
// joined again.
func leave(t *testing.T, s Setup) {
	a, b := s.node(t), s.node(t)
	b.join(t, "leave")
	b.awaitPosition(t, a.publish(t, "leave", "1"))
	b.Leave("leave")
	b.join(t, "leave.end") // when it has returned, the broker has also handled Leave
	a.publish(t, "leave", "2")
	b.awaitPosition(t, a.publish(t, "leave.end", "end"))
	b.join(t, "leave")
	b.awaitPosition(t, a.publish(t, "leave", "3"))
	if got := payloads(b.of("leave")); !slices.Equal(got, []string{"1", "3"}) {
		t.Errorf("delivered %q, want 1 and 3", got)
	}
	b.Leave("leave.never") // does nothing
}

// large tests that messages of many sizes arrive unchanged and in order.
func large(t *testing.T, s Setup) {
	a, b := s.node(t), s.node(t)
	b.join(t, "large")
	var want []string
	var last hub.Position
	for i, size := range []int{900 << 10, 1, 65536, 0, 900 << 10, 4097, 300 << 10} {
		want = append(want, strings.Repeat(string(rune('a'+i)), size))
		last = a.publish(t, "large", want[i])
	}
	b.awaitPosition(t, last)
	got := payloads(b.of("large"))
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("message %d of %d bytes is not delivered as it was", i, len(want[i]))
		}
	}
}

// manyTopics tests that each of many topics gets its own messages.
func manyTopics(t *testing.T, s Setup) {
	const topics = 1000
	a, b := s.node(t), s.node(t)
	name := func(i int) string { return fmt.Sprint("many.", i) }
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			for i := k; i < topics; i += 4 {
				if _, err := b.Join(within(t), name(i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for k := range 4 {
		wg.Go(func() {
			for i := k; i < topics; i += 4 {
				if _, err := publish(within(t), a, text(name(i), name(i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.await(t, "all messages", func() bool { return len(b.got) == topics })
	seen := make(map[string]bool)
	for _, m := range b.got {
		if string(m.Data) != m.Topic || seen[m.Topic] {
			t.Fatalf("%q is delivered to %q", m.Data, m.Topic)
		}
		seen[m.Topic] = true
	}
}

// fromWithin tests that a Node may call the broker from within Deliver.
func fromWithin(t *testing.T, s Setup) {
	a := s.node(t)
	b := newRecorder(t, s.Node(t))
	answers := make(chan error, 1)
	b.hook = func(m *hub.Envelope) {
		if string(m.Data) != "ask" {
			return
		}
		_, err := b.History(within(t), hub.HistoryQuery{Subject: m.Topic, UpTo: m.Position.Offset})
		if errors.Is(err, hub.ErrNoHistory) {
			err = nil
		}
		_, err2 := b.Join(within(t), "within.2")
		_, err3 := publish(within(t), b, text("within.2", "answer"))
		b.Leave("within")
		answers <- errors.Join(err, err2, err3)
	}
	b.Attach(b)
	defer b.close(t)
	b.await(t, "a connection to the broker", func() bool { return len(b.linkedAt) > 0 })
	b.join(t, "within")
	a.publish(t, "within", "ask")
	if err := <-answers; err != nil {
		t.Fatal(err)
	}
	b.await(t, "an answer", func() bool { return len(b.got) == 2 })
}

// synced tests that when Sync returns, messages that another node published before have been
// delivered.
func synced(t *testing.T, s Setup) {
	a, b := s.node(t), s.node(t)
	syncer, ok := b.Broker.(hub.Syncer)
	if !ok {
		t.Skip("the broker is not a hub.Syncer")
	}
	b.join(t, "synced")
	for i := range 50 {
		at := a.publish(t, "synced", fmt.Sprint(i))
		a.publish(t, "synced.other", "")
		if err := syncer.Sync(within(t)); err != nil {
			t.Fatal(err)
		}
		if all := b.of("synced"); len(all) != i+1 || all[i].Position != at {
			t.Fatalf("%d of %d messages are there", len(all), i+1)
		}
	}
}
