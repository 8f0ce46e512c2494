package hub

import (
	"slices"
	"strings"
	"sync"
	"testing"
)

// laggards are subscribers in two loops that stall one after the other, so that each lags behind less than the one before.
func laggards(t *testing.T, n int, o TopicOptions) (h *Hub, m *manual, all []*fake) {
	t.Helper()
	m = new(manual)
	h = New(Options{Workers: m.on(2), Topic: func(string) *TopicOptions { return &o }})
	for i := range n {
		all = append(all, &fake{loop: i})
		all[i].join(t, h, "x")
	}
	for _, f := range all {
		f.stall(true)
		publish(t, h, "x", 1)
		m.runAll()
	}
	return h, m, all
}

// The slowest subscribers are those that lag behind most, each with what it has yet to get, until they have it or have gone.
func TestSlowest(t *testing.T) {
	const n = 3 * mostSlow
	h, m, all := laggards(t, n, TopicOptions{Slow: DropOldest})
	const cost = 8 + entryCost
	want := func(limit int, first ...int) {
		t.Helper()
		got := h.Slowest("x", limit)
		if len(got) != len(first) {
			t.Fatalf("%d of the slowest, want %d", len(got), len(first))
		}
		for i, s := range got {
			missing := uint64(n - 1 - first[i]) // each has taken the message with which it stalled
			if s.Subscriber != all[first[i]] || s.Messages != missing || s.Bytes != int64(missing)*cost || s.Dropped != 0 {
				t.Errorf("%d: %+v, want subscriber %d with %d messages", i, s, first[i], missing)
			}
		}
	}
	want(3, 0, 1, 2)
	if got := h.Slowest("x", 1000); len(got) != 2*mostSlow {
		t.Errorf("%d of the slowest, want %d for each loop", len(got), mostSlow)
	}
	want(0)
	want(-1)
	all[1].stall(false)
	m.runAll()
	want(2, 0, 2)
	all[0].sub.Unsubscribe()
	m.runAll()
	want(2, 2, 3)
	for _, f := range all {
		f.stall(false)
	}
	m.runAll()
	want(1)
	for _, sh := range h.lookup("x").shards {
		if sh.cold != nil {
			t.Error("a shard remembers slow subscribers, or has room for them, though there are none")
		}
	}
	publish(t, h, "x", 1)
	m.runAll()
	want(1)
	if h.Slowest("nothing", 1) != nil {
		t.Error("a topic that does not exist has slow subscribers")
	}
}

// What a subscriber has yet to get is known of the slowest, and of all while no others lag behind.
func TestBehind(t *testing.T) {
	h, m, all := laggards(t, 2*mostSlow+2, TopicOptions{Slow: DropOldest})
	reads := &fake{loop: 0}
	reads.join(t, h, "x")
	want := func(f *fake, messages uint64, known bool) {
		t.Helper()
		if got, is := f.sub.Behind(); got != messages || is != known {
			t.Errorf("%d messages, known: %v", got, is)
		}
	}
	last := len(all) - 1
	all[last].stall(false)
	m.runAll()
	want(reads, 0, true)
	publish(t, h, "x", 1)
	m.runAll()
	want(all[0], uint64(last)+1, true)
	want(all[last-1], 0, false) // it is the 17th of its loop
	want(all[last], 0, true)
	all[0].sub.Unsubscribe()
	all[2].stall(false)
	m.runAll()
	want(all[0], 0, true)
	want(all[last-1], 0, false) // nobody has looked since
	publish(t, h, "x", 1)
	m.runAll()
	want(all[last-1], 3, true)
	want(all[1], uint64(last)+1, true)
}

// Subscribers that have gone are not remembered, so that they can be freed.
func TestSlowestForgets(t *testing.T) {
	h, m, all := laggards(t, mostSlow, TopicOptions{Slow: DropOldest, History: History{Messages: 1}})
	for _, f := range all[1:] {
		f.sub.Unsubscribe()
	}
	m.runAll()
	for _, sh := range h.lookup("x").shards {
		if sh.cold == nil {
			continue
		}
		x := sh.cold.slowest
		for i, s := range x.subs {
			if s != nil && (i >= x.n || s != &all[0].sub) {
				t.Error("a subscription that has gone is remembered")
			}
		}
	}
	if got := h.Slowest("x", 10); len(got) != 1 || got[0].Subscriber != all[0] {
		t.Errorf("%v", got)
	}
	all[0].sub.Unsubscribe()
	m.runAll()
	for _, sh := range h.lookup("x").shards { // the topic remains, as it has history
		if sh.cold != nil {
			t.Errorf("nobody is slow any more, and this is kept: %+v", sh.cold)
		}
	}
}

// What is dropped counts for the policy of the topic, and for the subscriber.
func TestDropsByPolicy(t *testing.T) {
	for _, slow := range []SlowPolicy{DropNewest, DropOldest, Conflate} {
		t.Run(slow.String(), func(t *testing.T) {
			h, m, all := laggards(t, 1, TopicOptions{Slow: slow, Limit: Limit{Messages: 2}})
			for range 10 {
				publish(t, h, "x", 1)
				m.runAll()
			}
			st := h.Stats()
			by := map[SlowPolicy]int64{Disconnect: st.Drops.Disconnect, DropNewest: st.Drops.DropNewest, DropOldest: st.Drops.DropOldest, Conflate: st.Drops.Conflate}
			for policy, n := range by {
				if (n > 0) != (policy == slow) {
					t.Errorf("%d messages dropped by %v", n, policy)
				}
			}
			got := h.Slowest("x", 1)
			if st.Dropped != by[slow] || len(got) != 1 || got[0].Dropped != st.Dropped || got[0].Subscriber != all[0] || got[0].Messages > 2 {
				t.Errorf("%d dropped, and %+v", st.Dropped, got)
			}
			topic, _ := h.Topic("x")
			if topic.Slow != slow.String() || topic.Dropped != st.Dropped || topic.Memory == 0 || topic.Memory != st.Memory {
				t.Errorf("%+v", topic)
			}
		})
	}
	h, m, _ := laggards(t, 1, TopicOptions{Limit: Limit{Messages: 2}})
	for range 10 {
		publish(t, h, "x", 1)
		m.runAll()
	}
	if st := h.Stats(); st.Evicted != 1 || st.Dropped != 0 || st.Lagging != 0 || h.Slowest("x", 1) != nil {
		t.Errorf("%+v", st)
	}
}

// The hub counts who is there, and the passes.
func TestHubStats(t *testing.T) {
	m := new(manual)
	h := New(Options{Workers: m.on(2), Topic: func(string) *TopicOptions { return &TopicOptions{Presence: true} }})
	var c [3]fake
	ada, eve := newMember(t, h, &c[0], "ada"), newMember(t, h, &c[1], "")
	again := newMember(t, h, &c[2], "ada")
	var present []Person
	subscribe(t, ada, "x", SubscribeOptions{Encoding: raw, Presence: &present})
	subscribe(t, eve, "x", SubscribeOptions{Encoding: raw})
	if _, err := h.NewMember(new(fake), Identity{User: strings.Repeat("x", 1000)}, SubscribeOptions{Encoding: raw}); err == nil {
		t.Fatal("a user whose name is too long")
	}
	publish(t, h, "x", 1)
	m.runAll()
	publish(t, h, "x", 2)
	m.runAll()
	if st := h.Stats(); st.Members != 3 || st.Subscriptions != 5 || st.FanOut.Count() < 2 || st.FanOut.Sum <= 0 || st.PresenceBytes <= 0 || st.Lagging != 0 {
		t.Errorf("%+v", st)
	}
	c[0].stall(true)
	publish(t, h, "x", 3)
	m.runAll()
	if st := h.Stats(); st.Lagging != 1 {
		t.Errorf("%d lag behind", st.Lagging)
	}
	if all := h.UserMembers("ada", 10); !slices.Contains(all, ada) || !slices.Contains(all, again) || len(all) != 2 || len(h.UserMembers("ada", 1)) != 1 || h.UserMembers("eve", 1) != nil {
		t.Errorf("the members of ada: %v", all)
	}
	again.Disconnect(CloseReason{})
	for _, m := range []*Member{ada, eve, again} {
		m.Leave()
		m.Leave()
	}
	m.runAll()
	if st := h.Stats(); st.Members != 0 || st.Subscriptions != 0 {
		t.Errorf("when all have left: %+v", st)
	}
}

// A member knows its subscriptions, and what they have yet to get.
func TestMemberStats(t *testing.T) {
	m := new(manual)
	h := New(Options{Workers: m.on(1), Topic: func(string) *TopicOptions {
		return &TopicOptions{Slow: DropOldest, Limit: Limit{Messages: 3}, Presence: true}
	}})
	var c fake
	ada := newMember(t, h, &c, "ada")
	var present []Person
	subscribe(t, ada, "a", SubscribeOptions{Encoding: raw, Presence: &present})
	subscribe(t, ada, "b", SubscribeOptions{Encoding: raw})
	if got, want := ada.Stats(), (MemberStats{ID: ada.ID(), User: "ada", Subscriptions: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	c.stall(true)
	for range 10 {
		publish(t, h, "b", 1)
		m.runAll()
	}
	if st := ada.Stats(); st.Lagging != 1 || st.Backlog != 3*(8+entryCost) {
		t.Errorf("%+v", st)
	}
	all := ada.SubscriptionStats("", 10)
	if want := []SubscriptionStats{{Topic: "@ada"}, {Topic: "a"}, {Topic: "b", Lagging: true, Dropped: 6}}; !slices.Equal(all, want) {
		t.Errorf("%+v, want %+v", all, want)
	}
	if page := ada.SubscriptionStats("@ada", 1); !slices.Equal(page, all[1:2]) {
		t.Errorf("the second: %+v", page)
	}
	if len(ada.SubscriptionStats("b", 10)) != 0 || len(ada.SubscriptionStats("", -1)) != 0 {
		t.Error("there is something after the last, or on an empty page")
	}
	ada.Leave()
}

// Whoever asks for figures does so beside passes, and beside subscribers that come, stall and go.
func TestStatsBesidePasses(t *testing.T) {
	h := New(Options{Workers: Goroutines(2), Topic: func(string) *TopicOptions { return &TopicOptions{Slow: DropNewest, Limit: Limit{Messages: 5}} }})
	var all [8]fake
	var members [len(all)]*Member
	for i := range all {
		all[i].loop = i
		members[i] = newMember(t, h, &all[i], "")
	}
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			f, m := &all[i], members[i]
			for round := range 200 {
				if _, _, err := m.Subscribe("x", SubscribeOptions{Encoding: raw}); err != nil {
					t.Error(err)
				}
				f.stall(round%2 == 0)
				for range 10 {
					publish(t, h, "x", 1)
				}
				if round%3 == 0 {
					f.stall(false)
				}
				if err := m.Unsubscribe("x"); err != nil {
					t.Error(err)
				}
			}
			f.stall(false)
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for asked := 0; ; asked++ {
		for _, s := range h.Slowest("x", 100) {
			if m := s.Subscriber.(*Member); m.Stats().ID != m.ID() {
				t.Error("a member of another name")
			}
		}
		for _, m := range members {
			for _, s := range m.SubscriptionStats("", 10) {
				if s.Topic != "x" {
					t.Errorf("%+v", s)
				}
			}
		}
		_, _ = h.Topic("x")
		h.Stats()
		select {
		case <-done:
			waitFor(t, func() bool { st := h.Stats(); return st.Lagging == 0 && st.Topics == 0 })
			return
		default:
		}
	}
}
