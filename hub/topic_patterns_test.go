package hub

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// A subscriber that subscribes to a pattern while others publish gets all messages of each topic
// from some message on: at the latest, from the one that is published next.
func TestPatternsAreExact(t *testing.T) {
	const topics, messages, members = 5, 300, 30
	h := New(Options{Workers: Goroutines(2), Topic: func(name string) *TopicOptions {
		return &TopicOptions{History: History{Messages: 10}} // so that topics last
	}})
	var sequences [topics]struct {
		sync.Mutex
		n uint64
	}
	// The test's numbers tell the topic: k, topics+k, 2*topics+k, ... are of topic k.
	publishNext := func(k int) {
		s := &sequences[k]
		s.Lock()
		publish(t, h, fmt.Sprint("p.", k), s.n*topics+uint64(k))
		s.n++
		s.Unlock()
	}
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			for range messages {
				publishNext(rng.IntN(topics))
			}
		})
	}
	type guest struct {
		fake
		pattern string
		at      Position
		due     [topics]uint64 // it gets what follows these, at least
	}
	all := make([]guest, members)
	for i := range all {
		g := &all[i]
		wg.Go(func() {
			g.loop, g.pattern = i%2, []string{"p.*", ">", "*.*", "p.1", "*.2"}[i%5]
			if i >= 5 { // some patterns come to be, and end, again and again
				for range 20 {
					new(fake).join(t, h, g.pattern).sub.Unsubscribe()
				}
			}
			at, err := h.Subscribe(g.pattern, &g.sub, g, SubscribeOptions{Encoding: raw})
			if err != nil {
				t.Error(err)
			}
			g.at = at
			for k := range topics {
				sequences[k].Lock()
				g.due[k] = sequences[k].n
				sequences[k].Unlock()
			}
		})
	}
	wg.Wait()
	for k := range topics {
		publishNext(k)
	}
	waitFor(t, func() bool { return quiet(h) })
	for i := range all {
		g := &all[i]
		var next [topics]uint64
		for _, n := range g.received() {
			k, s := n%topics, n/topics
			if before := next[k]; before > 0 && s != before {
				t.Errorf("%d in %s got %d of topic %d, want %d", i, g.pattern, s, k, before)
			} else if before == 0 && s > g.due[k] {
				t.Errorf("%d in %s got %d of topic %d first, but %d is due", i, g.pattern, s, k, g.due[k])
			}
			next[k] = s + 1
		}
		for k := range next {
			want := sequences[k].n
			if !matches(g.pattern, fmt.Sprint("p.", k)) {
				want = 0
			}
			if next[k] != want {
				t.Errorf("%d in %s got topic %d up to %d of %d", i, g.pattern, k, next[k], want)
			}
		}
		if ts, ok := h.Topic(g.pattern); !ok || ts.Position.Epoch != g.at.Epoch || ts.Position.Offset-g.at.Offset != uint64(len(g.received())) {
			t.Errorf("%d in %s got %d from %v on, to %v", i, g.pattern, len(g.received()), g.at, ts.Position)
		}
	}
}

func TestPatternsAndExcept(t *testing.T) {
	m := new(manual)
	h := New(Options{Workers: m.on(1)})
	a, b := new(fake).join(t, h, "p.*"), new(fake).join(t, h, ">")
	c := new(fake).join(t, h, "p.x")
	for n, except := range []*fake{nil, a, b, c} {
		msg := number(uint64(n))
		if except != nil {
			msg.Exclude = except
		}
		rc, err := h.Publish("p.x", msg)
		if err != nil || rc.Receivers != 3 || rc.Position.Offset != uint64(n+1) {
			t.Errorf("%+v, %v", rc, err)
		}
	}
	m.runAll()
	a.expect(t, 0, 2, 3)
	b.expect(t, 0, 1, 3)
	c.expect(t, 0, 1, 2)
	publish(t, h, "p.x.y", 9)
	a.sub.Unsubscribe()
	publish(t, h, "p.y", 10)
	m.runAll()
	a.expect(t, 0, 2, 3)
	b.expect(t, 0, 1, 3, 9, 10)
	if n := len(h.Topics()); n != 2 {
		t.Errorf("%d topics, want 2", n)
	}
}

// A pattern has its own offsets, and history if its options say so.
func TestPatternsHaveHistory(t *testing.T) {
	m := new(manual)
	h := New(Options{Workers: m.on(1), Topic: func(name string) *TopicOptions {
		if IsPattern(name) {
			return &TopicOptions{History: History{Messages: 3}}
		}
		return nil
	}})
	f := new(fake).join(t, h, "p.*")
	for n := range uint64(10) {
		publish(t, h, fmt.Sprint("p.", n%4), n+1)
	}
	m.runAll()
	f.expect(t, upTo(1, 10)...)
	g := new(fake)
	at, err := h.Subscribe("p.*", &g.sub, g, SubscribeOptions{Encoding: raw, Start: Start{Last: 2}})
	if err != nil || at.Offset != 8 {
		t.Errorf("the last 2: at %v, %v", at, err)
	}
	m.runAll()
	g.expect(t, 9, 10)
	r := new(fake)
	at.Offset = 7
	if _, err := h.Subscribe("p.*", &r.sub, r, SubscribeOptions{Encoding: raw, Start: Start{After: &at}}); err != nil {
		t.Error(err)
	}
	m.runAll()
	r.expect(t, 8, 9, 10)
	at.Offset = 6
	if _, err := h.Subscribe("p.*", new(Subscription), r, SubscribeOptions{Encoding: raw, Start: Start{After: &at}}); !errors.As(err, new(*TooOldError)) {
		t.Errorf("one is missing: %v", err)
	}
}

// Of the patterns that a client creates and leaves, only the last few stay, although messages are
// still published. A client that resumes in one of these finds its history.
func TestPatternsDoNotPileUp(t *testing.T) {
	m := new(manual)
	h := New(Options{Workers: m.on(1), Topic: func(string) *TopicOptions { return &TopicOptions{History: History{Messages: 3}} }})
	stays := new(fake).join(t, h, "p.*.stays")
	publish(t, h, "p.x.stays", 1)
	before, _ := h.Topic("p.*.stays")
	pattern := func(i int) string { return fmt.Sprintf("p.*.%d.>", i) }
	var at Position
	for i := range 3 * maxRetiring {
		var s Subscription
		at, _ = h.Subscribe(pattern(i), &s, new(fake), SubscribeOptions{Encoding: raw})
		publish(t, h, fmt.Sprintf("p.x.%d.y", i), 1) // so that it has history
		m.runAll()
		s.Unsubscribe()
		stays.sub.Unsubscribe() // a pattern that is left again and again is in the list once
		stays.sub = Subscription{}
		stays.join(t, h, "p.*.stays")
	}
	kept := 0
	for _, ts := range h.Topics() {
		if IsPattern(ts.Name) {
			kept++
		}
	}
	if after, _ := h.Topic("p.*.stays"); after.Position != before.Position {
		t.Errorf("what has listeners most of the time began anew: %v, %v", before.Position, after.Position)
	}
	if kept > maxRetiring+1 {
		t.Errorf("%d patterns are kept", kept)
	}
	f := new(fake)
	if _, err := h.Subscribe(pattern(3*maxRetiring-1), &f.sub, f, SubscribeOptions{Encoding: raw, Start: Start{After: &at}}); err != nil {
		t.Error(err)
	}
	m.runAll()
	f.expect(t, 1)
	for i := range 2 * maxRetiring { // the hub must not end patterns that have subscribers
		h.retire(f.sub.shard.topic)
		new(fake).join(t, h, pattern(i)).sub.Unsubscribe()
	}
	if _, ok := h.Topic(pattern(3*maxRetiring - 1)); !ok {
		t.Error("a pattern has ended under its listener")
	}
}

// A pattern cannot be published to as if it were a topic.
func TestPublishToAPattern(t *testing.T) {
	m := new(manual)
	h := New(Options{Workers: m.on(1)})
	f := new(fake).join(t, h, "p.*")
	new(fake).join(t, h, "p.x")
	if _, err := h.Publish("p.*", number(1)); err == nil {
		t.Error("published to a pattern")
	}
	if rc, _ := f.sub.Publish(number(2)); rc != (Receipt{}) {
		t.Errorf("published to a pattern: %+v", rc)
	}
	m.runAll()
	f.expect(t)
}

// A topic never replaces its list of patterns by an older one.
func TestFeedsDoNotAge(t *testing.T) {
	h := New(Options{})
	f := new(fake).join(t, h, "p.x")
	topic := f.sub.shard.topic
	topic.matchingAt = h.patternsAt.Load() + 1
	if h.refreshMatching(topic); topic.matchingAt != h.patternsAt.Load()+1 {
		t.Error("older ones replaced them")
	}
}

func TestPublishMatching(t *testing.T) {
	m := new(manual)
	h := New(Options{Workers: m.on(1)})
	all := make(map[string]*fake)
	for _, name := range []string{"p.x", "p.y", "q.x", "p", "p.x.y", "p.*"} {
		all[name] = new(fake).join(t, h, name)
	}
	receipts, err := h.PublishMatching("p.*", number(1))
	if names := slices.Sorted(maps.Keys(receipts)); err != nil || !slices.Equal(names, []string{"p.x", "p.y"}) {
		t.Fatalf("published to %v, %v", names, err)
	}
	for name, rc := range receipts {
		if rc.Receivers != 2 || rc.Position.Offset != 1 || rc.Position.Epoch == 0 {
			t.Errorf("%s: %+v", name, rc)
		}
	}
	m.runAll()
	for name, want := range map[string][]uint64{"p.x": {1}, "p.y": {1}, "p.*": {1, 1}, "q.x": nil, "p": nil, "p.x.y": nil} {
		all[name].expect(t, want...)
	}
	if receipts, err := h.PublishMatching("r.*", number(1)); err != nil || len(receipts) != 0 || len(h.Topics()) != len(all) {
		t.Errorf("published to %v, %v", receipts, err)
	}
	if receipts, err := h.PublishMatching("q.x", number(2)); err != nil || len(receipts) != 1 {
		t.Errorf("published to %v, %v", receipts, err)
	}
	if _, err := h.PublishMatching("p..", number(1)); err == nil {
		t.Error("published to what is no pattern")
	}
}

func TestDisconnectAll(t *testing.T) {
	m := new(manual)
	h := New(Options{Workers: m.on(2)})
	var in []*fake
	for i := range 100 {
		in = append(in, (&fake{loop: i % 2}).join(t, h, "p.x"))
	}
	out, pattern := new(fake).join(t, h, "p.y"), new(fake).join(t, h, "p.*")
	in[7].stall(true)
	publish(t, h, "p.x", 1)
	publish(t, h, "p.x", 2)
	in[9].sub.Unsubscribe()
	m.runAll()
	if n, _ := h.Disconnect("p.x", CloseReason{Code: codePolicy, Text: "the end"}); n != 99 {
		t.Errorf("%d were closed", n)
	}
	for i, f := range in {
		if want := map[bool]int{true: 0, false: codePolicy}[i == 9]; f.closed != want {
			t.Errorf("%d is closed with %d", i, f.closed)
		}
		f.sub.Unsubscribe() // as at the end of a connection
	}
	if out.closed != 0 || pattern.closed != 0 {
		t.Error("others were closed")
	}
	if n, _ := h.Disconnect("p.*", CloseReason{Code: codeGoingAway}); n != 1 || pattern.closed != codeGoingAway {
		t.Errorf("%d were closed", n)
	}
	if n, _ := h.Disconnect("nobody.knows.it", CloseReason{Code: codeGoingAway}); n != 0 {
		t.Errorf("%d were closed in a topic that is none", n)
	}
	pattern.sub.Unsubscribe()
	m.runAll()
	if all := h.Topics(); len(all) != 1 || all[0].Name != "p.y" {
		t.Errorf("left are %+v", all)
	}
}

// A message to many topics is held once, and does not change if the caller changes its data.
func TestPublishMatchingSharesData(t *testing.T) {
	for name, o := range map[string]Options{"alone": {}, "broker": {Broker: NewMemoryBroker(MemoryBrokerOptions{History: 10}).Node()}} {
		o.Topic = func(string) *TopicOptions { return &TopicOptions{History: History{Messages: 10}} }
		h := New(o)
		for i := range 3 {
			publish(t, h, fmt.Sprint("a.", i), 1)
		}
		data := bytes.Repeat([]byte("x"), 100)
		if rcs, err := h.PublishMatching("a.*", Message{Data: data}); err != nil || len(rcs) != 3 {
			t.Errorf("%s: %v, %v", name, rcs, err)
		}
		clear(data)
		shared := make(map[*byte]int)
		for i := range 3 {
			waitFor(t, func() bool {
				all, _, err := h.History(fmt.Sprint("a.", i), Start{Last: 1}, 1)
				if err != nil || len(all) != 1 || len(all[0].Data) != len(data) || all[0].Data[0] != 'x' {
					return false
				}
				shared[&all[0].Data[0]]++
				return true
			})
		}
		if len(shared) != 1 {
			t.Errorf("%s: the data of 3 topics is held %d times", name, len(shared))
		}
		if o.Broker != nil {
			_ = o.Broker.Close()
		}
	}
}
