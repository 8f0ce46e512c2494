package hub

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// remembering returns a hub whose topics stay because they have history.
func remembering(o Options) *Hub {
	o.Topic = func(string) *TopicOptions { return &TopicOptions{History: History{Messages: 1}} }
	return New(o)
}

// A dozen owners that create topics as fast as they can leave enough room for others, for each way
// to create one. An owner that has too many can create another when one of its topics ends.
func TestTopicsAreShared(t *testing.T) {
	const most = 2000
	h := remembering(Options{MaxTopics: most, MaxTopicsPerOwner: most})
	makes := map[string]func(owner string, n int) error{
		"publish": func(owner string, n int) error {
			_, err := h.PublishAs(owner, fmt.Sprint(owner, ".p", n), number(1))
			return err
		},
		"subscribe": func(owner string, n int) error {
			_, err := h.Subscribe(fmt.Sprint(owner, ".s", n), new(Subscription), new(fake), SubscribeOptions{Encoding: raw, Owner: owner})
			return err
		},
		"member": func(owner string, n int) error {
			m, err := h.NewMember(new(fake), Identity{Owner: owner}, SubscribeOptions{Encoding: raw})
			if err != nil {
				return err
			}
			if n%2 == 0 {
				_, err = m.Publish(fmt.Sprint(owner, ".m", n), number(1))
			} else {
				_, _, err = m.Subscribe(fmt.Sprint(owner, ".m", n), SubscribeOptions{Encoding: raw})
			}
			return err
		},
	}
	full := make(map[string]bool)
	for n := 0; len(full) < 12; n++ {
		for i := range 12 {
			owner := fmt.Sprint("owner", i)
			for _, f := range makes {
				err := f(owner, n)
				switch {
				case errors.Is(err, ErrTooManyTopics):
					full[owner] = true
				case err != nil:
					t.Fatal(err)
				}
			}
		}
	}
	for what, f := range makes {
		for i := range 2 {
			if err := f("other", i); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	same := 0 // another connection of an owner that has too many
	for i := range 2 {
		if _, err := h.PublishAs("owner0/another", fmt.Sprint("same", i), number(1)); err == nil {
			same++
		}
	}
	if same > 0 {
		t.Error("a part of an owner has more than the owner may have")
	}
	if n := h.Stats().Topics; n > most-10 || n < most/2 {
		t.Errorf("there are %d topics", n)
	}
	if err := makes["publish"]("owner0", 1<<20); !errors.Is(err, ErrTooManyTopics) || !strings.Contains(err.Error(), "one owner") {
		t.Errorf("one too many: %v", err)
	}
}

// The connections of one owner share its limit.
func TestPartsOfAnOwner(t *testing.T) {
	const most = 2000
	h := remembering(Options{MaxTopics: most})
	for n := range most {
		for i := range 12 {
			_, _ = h.PublishAs(fmt.Sprint("address/connection", i), fmt.Sprint("t", i, ".", n), number(1))
		}
	}
	if n := h.Stats().Topics; n < most/3 || n > most/2-8 {
		t.Errorf("they made %d topics", n)
	}
	for i := range 3 {
		if _, err := h.PublishAs("address/other", fmt.Sprint("other", i), number(1)); err != nil {
			t.Errorf("another connection: %v", err)
		}
		if _, err := h.PublishAs("elsewhere", fmt.Sprint("elsewhere", i), number(1)); err != nil {
			t.Errorf("another address: %v", err)
		}
	}
}

// A topic counts for its owner until it ends.
func TestOwnersAreForgotten(t *testing.T) {
	h := New(Options{MaxTopicsPerOwner: 2})
	a, b, c := new(fake), new(fake), new(fake)
	for i, f := range []*fake{a, b, c} {
		_, err := h.Subscribe(fmt.Sprint("t", i), &f.sub, f, SubscribeOptions{Encoding: raw, Owner: "me"})
		if (i < 2) != (err == nil) {
			t.Errorf("topic %d: %v", i, err)
		}
	}
	c = new(fake)
	if _, err := h.Subscribe("t0", &c.sub, c, SubscribeOptions{Encoding: raw, Owner: "me"}); err != nil {
		t.Errorf("of a topic that there is: %v", err)
	}
	a.sub.Unsubscribe()
	c.sub.Unsubscribe()
	d := new(fake)
	if _, err := h.Subscribe("t3", &d.sub, d, SubscribeOptions{Encoding: raw, Owner: "me"}); err != nil {
		t.Errorf("when one has ended: %v", err)
	}
	b.sub.Unsubscribe()
	d.sub.Unsubscribe()
	if len(h.owners) != 0 || len(h.index.runs) != 0 || h.subscriptions.Load() != 0 {
		t.Errorf("%d owners, %d runs, %d subscriptions are left", len(h.owners), len(h.index.runs), h.subscriptions.Load())
	}
}

// Patterns and subscriptions have a limit in total, which no owner can use up alone.
func TestTotals(t *testing.T) {
	h := New(Options{MaxAllPatterns: 100, MaxAllSubscriptions: 300})
	greedy := newMember(t, h, new(fake), "")
	for n := 0; ; n++ {
		if _, _, err := greedy.Subscribe(fmt.Sprint("p", n, ".*"), SubscribeOptions{Encoding: raw}); errors.Is(err, ErrTooManyTopics) {
			break
		} else if err != nil || n > 95 {
			t.Fatal(n, err)
		}
	}
	modest := newMember(t, h, new(fake), "")
	subscribe(t, modest, "x.*", SubscribeOptions{Encoding: raw})
	for n := 0; ; n++ {
		if _, _, err := greedy.Subscribe(fmt.Sprint("t", n), SubscribeOptions{Encoding: raw}); errors.Is(err, ErrTooMany) {
			break
		} else if err != nil || n > 290 {
			t.Fatal(n, err)
		}
	}
	subscribe(t, modest, "t", SubscribeOptions{Encoding: raw})
	greedy.Leave()
	modest.Leave()
	if n := h.subscriptions.Load(); n != 0 {
		t.Errorf("%d subscriptions are left", n)
	}
}

// Presence is bounded for each member and in total.
func TestPresenceIsBounded(t *testing.T) {
	h := New(Options{MaxPresenceData: 100, MaxPresence: 3 * (personWeight + 100), Topic: func(string) *TopicOptions {
		return &TopicOptions{Presence: true, PresenceGrace: -1}
	}})
	data := func(n int) Identity { return Identity{Data: []byte(`"` + strings.Repeat("x", n-2) + `"`)} }
	if _, err := h.NewMember(new(fake), data(101), SubscribeOptions{Encoding: raw}); err == nil {
		t.Error("more data than is allowed")
	}
	m, err := h.NewMember(new(fake), data(90), SubscribeOptions{Encoding: raw})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		subscribe(t, m, fmt.Sprint("t", i), SubscribeOptions{Encoding: raw})
	}
	if _, _, err := m.Subscribe("t3", SubscribeOptions{Encoding: raw}); !errors.Is(err, ErrTooMany) {
		t.Errorf("present too often: %v", err)
	}
	if err := m.Unsubscribe("t0"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { _, _, err := m.Subscribe("t3", SubscribeOptions{Encoding: raw}); return err == nil })
	m.Leave()
	waitFor(t, func() bool { return h.presentBytes.Load() == 0 })
}

// All pages together have each topic once, in order, no matter which others begin or end.
func TestTopicsPage(t *testing.T) {
	h := remembering(Options{})
	var names []string
	for _, n := range rand.Perm(3000) {
		names = append(names, fmt.Sprintf("t.%d", n))
	}
	for i := range 700 {
		names = append(names, fmt.Sprintf("@user%d", i))
	}
	names = append(names, "!first", "*.x", "~last", "@")
	for _, name := range names {
		if IsPattern(name) {
			new(fake).join(t, h, name)
		} else {
			publish(t, h, name, 1)
		}
	}
	slices.Sort(names)
	for _, q := range []TopicsQuery{
		{}, {Users: true, Limit: 7}, {Limit: 1000}, {Prefix: "t.1"}, {Prefix: "@"}, {Prefix: "@user1", Users: true, Limit: 3},
		{Prefix: "none"}, {After: "t.5"}, {Prefix: "t.", After: "a"}, {Limit: 5000}, {After: "~last"}, {After: "@user5"},
	} {
		var want, got []string
		for _, name := range names {
			if name > q.After && strings.HasPrefix(name, q.Prefix) && (q.Users || !IsUserTopic(name)) {
				want = append(want, name)
			}
		}
		for page, next := h.TopicsPage(q); ; page, next = h.TopicsPage(q) {
			for _, s := range page {
				got = append(got, s.Name)
			}
			if len(page) > MaxTopicsLimit || next != "" && next != page[len(page)-1].Name {
				t.Errorf("%+v: a page of %d, next is %q", q, len(page), next)
			}
			// topics that begin and end elsewhere
			passing := new(fake).join(t, h, fmt.Sprint("#", rand.IntN(1000)))
			passing.sub.Unsubscribe()
			if q.After = next; next == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: got %d, want %d", q, len(got), len(want))
		}
	}
}

// The index behaves like a sorted list.
func TestIndex(t *testing.T) {
	var x index
	var all []*Topic
	for n := range 20_000 {
		grows := n < 8000 || n > 16_000 && n < 18_000
		if len(all) == 0 || grows || rand.IntN(3) == 0 {
			topic := &Topic{name: fmt.Sprintf("%06d.%d", rand.IntN(1e6), n)}
			x.insert(topic)
			all = append(all, topic)
		} else {
			i := rand.IntN(len(all))
			x.remove(all[i])
			all[i] = all[len(all)-1]
			all = all[:len(all)-1]
		}
	}
	slices.SortFunc(all, func(a, b *Topic) int { return strings.Compare(a.name, b.name) })
	if got := slices.Concat(x.runs...); !slices.Equal(got, all) {
		t.Errorf("it has %d topics, want %d", len(got), len(all))
	}
	if len(x.runs) > 8*len(all)/maxRun+2 {
		t.Errorf("%d topics are in %d runs", len(all), len(x.runs))
	}
}

// A page out of 500,000 topics takes less than 20 ms.
func BenchmarkTopicsPage(b *testing.B) {
	h := New(Options{Workers: lightWorkers(1)})
	to := new(seat)
	subs := make([]Subscription, 500_000)
	for i := range subs {
		if _, err := h.Subscribe(fmt.Sprintf("topic.%d", i), &subs[i], to, SubscribeOptions{Encoding: raw}); err != nil {
			b.Fatal(err)
		}
	}
	for _, limit := range []int{DefaultTopicsLimit, MaxTopicsLimit} {
		b.Run(fmt.Sprint(limit), func(b *testing.B) {
			b.ReportAllocs()
			var worst time.Duration
			after := ""
			for b.Loop() {
				begun := time.Now()
				_, after = h.TopicsPage(TopicsQuery{After: after, Limit: limit})
				worst = max(worst, time.Since(begun))
			}
			b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
		})
	}
}

// Concurrent calls do not exceed the totals.
func TestTotalsHoldForManyAtOnce(t *testing.T) {
	const most, topics, each = 20, 8, 30
	h := New(Options{MaxAllSubscriptions: most})
	present := New(Options{MaxPresence: most * presentWeight(Person{ID: "12345678"}), Topic: func(string) *TopicOptions { return &TopicOptions{Presence: true} }})
	var all sync.WaitGroup
	for k := range topics {
		all.Go(func() {
			for n := range each {
				f := new(fake)
				if _, err := h.Subscribe(fmt.Sprint("t", k), &f.sub, f, SubscribeOptions{Encoding: raw}); err != nil && !errors.Is(err, ErrTooMany) {
					t.Error(err)
				}
				m, err := present.NewMember(new(fake), Identity{User: fmt.Sprintf("u%03d%04d", k, n)}, SubscribeOptions{Encoding: raw})
				if err != nil {
					t.Error(err)
					continue
				}
				if _, _, err := m.Subscribe(fmt.Sprint("t", k), SubscribeOptions{Encoding: raw}); err != nil && !errors.Is(err, ErrTooMany) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	there, people := 0, 0
	for _, s := range h.Topics() {
		there += s.Subscribers
	}
	for _, s := range present.Topics() {
		if !IsUserTopic(s.Name) {
			people += s.Subscribers
		}
	}
	if there != most || people != most || h.subscriptions.Load() != most {
		t.Errorf("%d subscriptions, %d people, want %d of each", there, people, most)
	}
}
