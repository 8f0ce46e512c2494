package hub

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"
)

func newMember(t testing.TB, h *Hub, to Subscriber, user string) *Member {
	t.Helper()
	m, err := h.NewMember(to, Identity{User: user}, SubscribeOptions{Encoding: raw})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func subscribe(t testing.TB, m *Member, name string, o SubscribeOptions) *Subscription {
	t.Helper()
	s, _, err := m.Subscribe(name, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantGot(t testing.TB, who string, f *fake, want ...uint64) {
	t.Helper()
	if got := f.received(); !slices.Equal(got, want) {
		t.Errorf("%s got %v, want %v", who, got, want)
	}
}

func TestMemberSize(t *testing.T) {
	if n := unsafe.Sizeof(Member{}); n > 144 {
		t.Errorf("a Member has %d bytes; 144 are stated", n)
	}
}

// Many patterns that match the same message are expensive, so a member may have only a few.
func TestMemberHasFewPatterns(t *testing.T) {
	var run manual
	h := New(Options{Workers: run.on(1), MaxPatterns: 2})
	m := newMember(t, h, new(fake), "")
	subscribe(t, m, "a.*", SubscribeOptions{Encoding: raw})
	subscribe(t, m, "*.a", SubscribeOptions{Encoding: raw})
	if _, _, err := m.Subscribe("*.*", SubscribeOptions{Encoding: raw}); !errors.Is(err, ErrTooMany) || !strings.Contains(err.Error(), "2 patterns") {
		t.Errorf("a third: %v", err)
	}
	subscribe(t, m, "a.a", SubscribeOptions{Encoding: raw})
	if err := m.Unsubscribe("a.*"); err != nil {
		t.Fatal(err)
	}
	subscribe(t, m, "*.*", SubscribeOptions{Encoding: raw})
	if err := m.Unsubscribe("a.a"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Subscribe(">", SubscribeOptions{Encoding: raw}); !errors.Is(err, ErrTooMany) {
		t.Errorf("a third again: %v", err)
	}
}

func TestMemberInManyTopics(t *testing.T) {
	var run manual
	h := New(Options{Workers: run.on(1), MaxSubscriptions: 3})
	f, g := new(fake), new(fake)
	m, other := newMember(t, h, f, ""), newMember(t, h, g, "")
	if m.ID() == other.ID() || m.ID() == "" {
		t.Errorf("two members are called %q and %q", m.ID(), other.ID())
	}
	for _, name := range []string{"b", "a", "n.*"} {
		subscribe(t, m, name, SubscribeOptions{Encoding: raw})
	}
	subscribe(t, other, "a", SubscribeOptions{Encoding: raw})
	if got := m.Topics(); !slices.Equal(got, []string{"a", "b", "n.*"}) {
		t.Errorf("topics %q", got)
	}
	if _, _, err := m.Subscribe("a", SubscribeOptions{Encoding: raw}); !errors.Is(err, ErrSubscribed) {
		t.Errorf("subscribed twice: %v", err)
	}
	if _, _, err := m.Subscribe("c", SubscribeOptions{Encoding: raw}); !errors.Is(err, ErrTooMany) {
		t.Errorf("a fourth subscription: %v", err)
	}
	if _, _, err := other.Subscribe("c d", SubscribeOptions{Encoding: raw}); err == nil {
		t.Error("subscribed to a name that is none")
	}
	own := number(1)
	own.Exclude = m
	for name, msg := range map[string]Message{"a": own, "b": own} {
		if _, err := m.Publish(name, msg); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, h, "n.x", 2)
	run.runAll()
	if rc, err := m.Publish("n.*", number(9)); err == nil {
		t.Errorf("published to a pattern: %+v", rc)
	}
	if err := m.Unsubscribe("b"); err != nil {
		t.Error(err)
	}
	if err := m.Unsubscribe("b"); !errors.Is(err, ErrNotSubscribed) {
		t.Errorf("unsubscribed twice: %v", err)
	}
	publish(t, h, "b", 3)
	publish(t, h, "a", 4)
	run.runAll()
	wantGot(t, "m", f, 2, 4)
	wantGot(t, "the other", g, 1, 4)
	m.Leave()
	other.Leave()
	if n := len(h.Topics()); n != 0 {
		t.Errorf("%d topics are left", n)
	}
	if _, _, err := m.Subscribe("a", SubscribeOptions{Encoding: raw}); !errors.Is(err, ErrLeft) {
		t.Errorf("subscribed after it left: %v", err)
	}
}

func TestPausedSubscription(t *testing.T) {
	var run manual
	h := New(Options{Workers: run.on(1), Topic: func(string) *TopicOptions { return &TopicOptions{Limit: Limit{Messages: 2}} }})
	f, late := new(fake), new(fake)
	publish(t, h, "x", 1)
	s := subscribe(t, newMember(t, h, f, ""), "x", SubscribeOptions{Encoding: raw, Paused: true})
	publish(t, h, "x", 2)
	run.runAll()
	publish(t, h, "x", 3)
	run.runAll()
	wantGot(t, "the paused", f)
	s.Resume()
	s.Resume() // does nothing
	run.runAll()
	publish(t, h, "x", 4)
	run.runAll()
	wantGot(t, "the resumed", f, 2, 3, 4)
	if s.lag != nil {
		t.Error("it has caught up, and still has memory for lagging")
	}
	subscribe(t, newMember(t, h, late, ""), "x", SubscribeOptions{Encoding: raw, Paused: true})
	for n := range uint64(3) {
		publish(t, h, "x", n)
		run.runAll()
	}
	if late.closed != codeTooSlow {
		t.Error("the topic's limit did not hold while the subscription was paused")
	}
}

// A paused subscription loses messages according to its topic's policy, and they are counted.
func TestPausedByPolicy(t *testing.T) {
	for slow, want := range map[SlowPolicy][]uint64{DropNewest: {1, 2, 6}, DropOldest: {4, 5, 6}, Conflate: {3, 5, 6}} {
		var run manual
		h := New(Options{Workers: run.on(1), Topic: func(string) *TopicOptions { return &TopicOptions{Slow: slow, Limit: Limit{Messages: 2}} }})
		f := new(fake)
		s := subscribe(t, newMember(t, h, f, ""), "x", SubscribeOptions{Encoding: raw, Paused: true})
		for n := uint64(1); n <= 5; n++ {
			msg := number(n)
			msg.Key = fmt.Sprint("key of ", n == 3)
			if _, err := h.Publish("x", msg); err != nil {
				t.Fatal(err)
			}
			run.runAll()
		}
		s.Resume()
		run.runAll()
		publish(t, h, "x", 6)
		run.runAll()
		wantGot(t, slow.String(), f, want...)
		if n := s.Dropped(); n != 3 {
			t.Errorf("%v: %d were dropped, want 3", slow, n)
		}
	}
}

// Messages published before a paused subscription began, and until it is resumed, arrive in one
// piece.
func TestPausedReplay(t *testing.T) {
	var run manual
	h := New(Options{Workers: run.on(1), Topic: func(string) *TopicOptions { return &TopicOptions{History: History{Messages: 9}} }})
	f := new(fake)
	publish(t, h, "x", 1)
	publish(t, h, "x", 2)
	s := subscribe(t, newMember(t, h, f, ""), "x", SubscribeOptions{Encoding: raw, Start: Start{Last: 1}, Paused: true})
	publish(t, h, "x", 3)
	run.runAll()
	wantGot(t, "the paused", f)
	s.Resume()
	run.runAll()
	wantGot(t, "the resumed", f, 2, 3)
}

// Many topics share one connection. Each subscription that waits for it is scheduled, none is
// evicted because others were faster, and none waits forever.
func TestMemberDrains(t *testing.T) {
	var run manual
	const topics = 20
	h := New(Options{Workers: run.on(1)})
	f := &fake{stalled: true}
	m := newMember(t, h, f, "")
	for i := range topics {
		subscribe(t, m, fmt.Sprint("t", i), SubscribeOptions{Encoding: raw})
	}
	for n := range uint64(5) {
		for i := range topics {
			publish(t, h, fmt.Sprint("t", i), 100*uint64(i)+n)
		}
		run.runAll()
	}
	if n := len(m.draining().waiting); n != topics {
		t.Errorf("%d subscriptions wait, want %d", n, topics)
	}
	if err := m.Unsubscribe("t0"); err != nil || len(m.draining().waiting) != topics {
		t.Errorf("%d subscriptions wait after one left (%v)", len(m.draining().waiting), err)
	}
	for range 2 * topics { // it takes one write each time
		f.drain()
		run.runAll()
	}
	if f.closed != 0 || len(m.draining().waiting) != 0 {
		t.Fatalf("closed with %d, %d wait", f.closed, len(m.draining().waiting))
	}
	got := make(map[uint64][]uint64)
	for _, n := range f.received() {
		got[n/100] = append(got[n/100], n%100)
	}
	for i := range uint64(topics) {
		if !slices.Equal(got[i], []uint64{0, 1, 2, 3, 4}) {
			t.Errorf("of topic %d it got %v", i, got[i])
		}
	}
}

// The same as TestOrder for members of many topics, on connections that stall and drain.
func TestMemberOrder(t *testing.T) {
	const topics, members, messages = 8, 12, 400
	h := New(Options{Workers: Goroutines(3), Topic: func(string) *TopicOptions { return &TopicOptions{Limit: Limit{Bytes: 1 << 30}} }})
	fakes := make([]*fake, members)
	for i := range fakes {
		fakes[i] = &fake{loop: i % 3}
		m := newMember(t, h, fakes[i], "")
		for k := range topics {
			subscribe(t, m, fmt.Sprint("t", k), SubscribeOptions{Encoding: raw, Paused: k%2 == 0}).Resume()
		}
	}
	stop := make(chan struct{})
	var publishers, others sync.WaitGroup
	for k := range uint64(topics) {
		publishers.Go(func() {
			for n := range uint64(messages) {
				publish(t, h, fmt.Sprint("t", k), k<<32+n)
			}
		})
	}
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				f := fakes[rand.IntN(members)]
				f.stall(true)
				f.drain()
				fakes[rand.IntN(members)].stall(false)
			}
		}
	})
	publishers.Wait()
	close(stop)
	others.Wait()
	for i, f := range fakes {
		f.stall(false)
		waitFor(t, func() bool { return len(f.received()) >= topics*messages })
		var next [topics]uint64
		for _, n := range f.received() {
			if k := n >> 32; n&(1<<32-1) != next[k] {
				t.Fatalf("member %d, topic %d: got number %d, want %d", i, k, n&(1<<32-1), next[k])
			}
			next[n>>32]++
		}
	}
}

// Members begin, end, subscribe and unsubscribe while messages are published: nothing is left.
func TestMembersComeAndGo(t *testing.T) {
	h := New(Options{
		Workers: Goroutines(2),
		Topic:   func(string) *TopicOptions { return &TopicOptions{Presence: true, PresenceGrace: -1} },
	})
	quiet := &testEncoding{event: func(*Event) []byte { return number(0).Data }}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 300 {
				f := &fake{loop: i % 2, stalled: rand.IntN(2) == 0}
				m := newMember(t, h, f, []string{"", "ada", "bob"}[rand.IntN(3)])
				var leaving sync.WaitGroup
				for range rand.IntN(6) {
					name := fmt.Sprint("t", rand.IntN(3))
					o := SubscribeOptions{Encoding: quiet, Paused: true}
					if rand.IntN(2) == 0 {
						o.Presence = new([]Person)
					}
					switch s, _, err := m.Subscribe(name, o); {
					case err == nil:
						s.Resume()
					case errors.Is(err, ErrSubscribed):
						_ = m.Unsubscribe(name)
					default:
						t.Error(err)
					}
					_, _ = m.Publish(name, number(1))
					_, _ = h.Presence(name)
					leaving.Go(f.drain)
				}
				m.Leave()
				leaving.Wait()
			}
		})
	}
	all.Wait()
	waitFor(t, func() bool { return len(h.Topics()) == 0 })
}
