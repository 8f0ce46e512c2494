package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// change is an event about people, as a client reads it.
type change struct {
	Presence     string
	Joined, Left []Person
	at           time.Time
}

func (c change) String() string {
	var b strings.Builder
	for _, p := range c.Joined {
		b.WriteString("+" + p.ID + string(p.Data) + " ")
	}
	for _, p := range c.Left {
		b.WriteString("-" + p.ID + " ")
	}
	return strings.TrimSpace(b.String())
}

// watcher is a connection that reads events about people.
type watcher struct {
	mu      sync.Mutex
	changes []change
	size    int // of the largest
	closed  int
}

func (*watcher) Loop() int { return 0 }
func (w *watcher) Send(p Encoded) netpoll.Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range payloads(p) {
		c := change{at: time.Now()}
		if err := json.Unmarshal(b, &c); err != nil {
			panic(fmt.Sprint("no event: ", err))
		}
		w.changes = append(w.changes, c)
		w.size = max(w.size, len(b))
	}
	return netpoll.Sent
}
func (*watcher) WhenDrained(t interface{ Schedule() }) { t.Schedule() }
func (w *watcher) Close(why CloseReason)               { w.closed = codeOf(why) }

// take returns what has come since it was called last.
func (w *watcher) take() []change {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.changes
	w.changes = nil
	return all
}

func presenceHub() *Hub {
	shared := &TopicOptions{Presence: true}
	return New(Options{Topic: func(name string) *TopicOptions {
		if strings.HasPrefix(name, "plain") {
			return nil
		}
		return shared
	}})
}

// come subscribes a connection to a topic.
func come(t testing.TB, h *Hub, user, data, topic string) *Member {
	t.Helper()
	m, err := h.NewMember(new(watcher), Identity{User: user, Data: json.RawMessage(data)}, SubscribeOptions{Encoding: raw})
	if err != nil {
		t.Fatal(err)
	}
	subscribe(t, m, topic, SubscribeOptions{Encoding: raw})
	return m
}

// pass lets time pass, and runs what becomes due.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func ids(all []Person) string {
	var b strings.Builder
	for _, p := range all {
		fmt.Fprintf(&b, "%s%s*%d ", p.ID, p.Data, p.Connections)
	}
	return strings.TrimSpace(b.String())
}

func wantChanges(t *testing.T, w *watcher, want ...string) {
	t.Helper()
	var got []string
	for _, c := range w.take() {
		got = append(got, c.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestPresence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := presenceHub()
		eve := come(t, h, "eve", `{"a":1}`, "x")
		pass(time.Second)
		w := new(watcher)
		m := newMember(t, h, w, "")
		var present []Person
		s := subscribe(t, m, "x", SubscribeOptions{Encoding: raw, Presence: &present, Paused: true})
		ada1, ada2 := come(t, h, "ada", "", "x"), come(t, h, "ada", "7", "x")
		if got := ids(present); got != `eve{"a":1}*0` {
			t.Errorf("at the beginning there was %q", got)
		}
		all, err := h.Presence("x")
		if got := ids(all); err != nil || len(all) != 3 || !strings.Contains(got, `ada*2`) || !strings.Contains(got, m.ID()+"*1") {
			t.Errorf("there is %q, %v", got, err)
		}
		pass(time.Second)
		wantChanges(t, w) // it is paused
		s.Resume()
		pass(0)
		self := []string{"+" + m.ID(), "+ada"}
		slices.Sort(self)
		wantChanges(t, w, strings.Join(self, " "))
		eve.Leave()
		ada1.Leave()
		pass(time.Second)
		ada2.Leave()
		pass(time.Second - time.Millisecond)
		come(t, h, "bob", "", "x") // told with what is due just now
		pass(time.Millisecond)
		wantChanges(t, w, "+bob -eve")
		ada3 := come(t, h, "ada", "", "x") // in time
		pass(time.Minute)
		wantChanges(t, w)
		ada3.Leave()
		ada4 := come(t, h, "ada", "8", "x")
		pass(time.Second)
		wantChanges(t, w, "+ada8") // data has changed
		ada4.Leave()
		come(t, h, "short", "", "x").Leave()
		pass(time.Minute)
		wantChanges(t, w, "-ada")
		if err := m.Unsubscribe("x"); err != nil {
			t.Error(err)
		}
		come(t, h, "cem", "", "x")
		pass(time.Minute)
		wantChanges(t, w)
	})
}

func TestPresenceErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := presenceHub()
		m := newMember(t, h, new(watcher), "ada")
		var present []Person
		for _, name := range []string{"plain", "x.*"} {
			if _, _, err := m.Subscribe(name, SubscribeOptions{Encoding: raw, Presence: &present}); !errors.Is(err, ErrNoPresence) {
				t.Errorf("%q: %v", name, err)
			}
		}
		if len(m.Topics()) != 0 || len(h.Topics()) != 1 {
			t.Errorf("it has subscribed to %q", m.Topics())
		}
		subscribe(t, m, "plain", SubscribeOptions{Encoding: raw})
		if _, err := h.Presence("plain"); !errors.Is(err, ErrNoPresence) {
			t.Error(err)
		}
		if _, err := h.Presence("@ada"); !errors.Is(err, ErrNoPresence) {
			t.Error(err)
		}
		if all, err := h.Presence("nowhere"); err != nil || len(all) != 0 {
			t.Error(all, err)
		}
		for _, data := range []string{"{", "\"\xff\""} {
			if _, err := h.NewMember(new(watcher), Identity{Data: json.RawMessage(data)}, SubscribeOptions{Encoding: raw}); err == nil {
				t.Errorf("a member's data is %q, which is not JSON", data)
			}
		}
	})
}

// A subscription to presence events counts as a subscription, but its presenceTopic cannot be
// reached.
func TestPresenceTopicIsHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{MaxSubscriptions: 2, Topic: func(string) *TopicOptions { return &TopicOptions{Presence: true} }})
		w := new(watcher)
		m := newMember(t, h, w, "")
		var present []Person
		subscribe(t, m, "y", SubscribeOptions{Encoding: raw})
		if _, _, err := m.Subscribe("x", SubscribeOptions{Encoding: raw, Presence: &present}); !errors.Is(err, ErrTooMany) {
			t.Errorf("a second and a third subscription: %v", err)
		}
		if err := m.Unsubscribe("y"); err != nil {
			t.Error(err)
		}
		subscribe(t, m, "x", SubscribeOptions{Encoding: raw, Presence: &present})
		if _, _, err := m.Subscribe("y", SubscribeOptions{Encoding: raw}); !errors.Is(err, ErrTooMany) {
			t.Errorf("a third subscription: %v", err)
		}
		if got := m.Topics(); !slices.Equal(got, []string{"x"}) {
			t.Errorf("topics %q", got)
		}
		name := presenceTopicName("x")
		if m.Subscription(name) != nil {
			t.Error("the presenceTopic is found")
		}
		if _, err := m.Publish(name, number(1)); !errors.Is(err, ErrForbidden) {
			t.Errorf("published an event: %v", err)
		}
		if _, err := h.Publish(name, number(1)); err == nil {
			t.Error("published an event")
		}
		if err := m.Unsubscribe(name); !errors.Is(err, ErrForbidden) {
			t.Errorf("unsubscribed from the presenceTopic: %v", err)
		}
		if err := m.Unsubscribe("x"); err != nil || len(m.subs) != 0 {
			t.Errorf("%d subscriptions are left, %v", len(m.subs), err)
		}
		subscribe(t, m, "x", SubscribeOptions{Encoding: raw, Presence: &present})
		m.Leave()
	})
}

// A subscriber to a pattern, or one that is not a member, is not present. The presenceTopic is not
// visible.
func TestPresenceIsOfMembersByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := presenceHub()
		ada := come(t, h, "ada", "", "x")
		eve := come(t, h, "eve", "", "*")
		nobody := new(fake).join(t, h, "x")
		w := new(watcher)
		m := newMember(t, h, w, "w")
		var present []Person
		subscribe(t, m, "x", SubscribeOptions{Encoding: raw, Presence: &present})
		if all, _ := h.Presence("x"); ids(all) != "ada*1 w*1" {
			t.Errorf("there is %q", ids(all))
		}
		pass(time.Second)
		wantChanges(t, w, "+ada +w")
		if got := len(eve.to.(*watcher).take()); got != 0 {
			t.Errorf("who listens to a pattern got %d events", got)
		}
		var names []string
		for _, ts := range h.Topics() {
			names = append(names, ts.Name)
		}
		if want := []string{"*", "@ada", "@eve", "@w", "x"}; !slices.Equal(names, want) {
			t.Errorf("topics %q, want %q", names, want)
		}
		nobody.sub.Unsubscribe()
		for _, m := range []*Member{ada, eve, m} {
			m.Leave()
		}
		if n := len(h.Topics()); n != 0 {
			t.Errorf("%d topics are left", n)
		}
	})
}

// When very many people join at once, the events are messages of bounded size, in one batch.
func TestPresenceOfCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := presenceHub()
		w := new(watcher)
		var present []Person
		subscribe(t, newMember(t, h, w, ""), "x", SubscribeOptions{Encoding: raw, Presence: &present})
		members := make([]*Member, 5000)
		for i := range members {
			members[i] = come(t, h, fmt.Sprint("u", i), `"`+strings.Repeat("d", 50)+`"`, "x")
		}
		pass(time.Second)
		for _, m := range members {
			m.Leave()
		}
		pass(time.Minute)
		there := make(map[string]bool)
		changes := w.take()
		for _, c := range changes {
			for _, p := range c.Joined {
				there[p.ID] = true
			}
			for _, p := range c.Left {
				delete(there, p.ID)
			}
		}
		if len(there) != 1 || w.size > 2*maxTold || len(changes) > 50 {
			t.Errorf("%d are there, %d events of up to %d bytes", len(there), len(changes), w.size)
		}
	})
}

// room is what a client that subscribed to presence knows: the list that it got, updated by the
// events since then.
type room struct {
	*watcher
	member *Member
	last   time.Time         // of the last event
	known  map[string]string // data, by ID
}

func enter(t *testing.T, h *Hub, topic string) *room {
	t.Helper()
	r := &room{watcher: new(watcher), known: make(map[string]string)}
	r.member = newMember(t, h, r.watcher, "")
	var present []Person
	s := subscribe(t, r.member, topic, SubscribeOptions{Encoding: raw, Presence: &present, Paused: rand.IntN(2) == 0})
	for _, p := range present {
		r.known[p.ID] = string(p.Data)
	}
	s.Resume()
	return r
}

// follow applies events. Each must change something.
func (r *room) follow(t *testing.T, left func(id string, at time.Time)) {
	t.Helper()
	for _, c := range r.take() {
		if d := c.at.Sub(r.last); 0 < d && d < tellEvery {
			t.Errorf("an event is told %v after another", d)
		}
		r.last = c.at
		for _, p := range c.Joined {
			if data, ok := r.known[p.ID]; ok && data == string(p.Data) {
				t.Errorf("%s joins, who is there", p.ID)
			}
			r.known[p.ID] = string(p.Data)
		}
		for _, p := range c.Left {
			if _, ok := r.known[p.ID]; !ok {
				t.Errorf("%s leaves, who is not there", p.ID)
			}
			delete(r.known, p.ID)
			left(p.ID, c.at)
		}
	}
}

func (r *room) check(t *testing.T, want []Person) {
	t.Helper()
	for _, p := range want {
		if data, ok := r.known[p.ID]; !ok || data != string(p.Data) {
			t.Errorf("%s%s is there, and known as %q, %v", p.ID, p.Data, data, ok)
		}
	}
	if len(r.known) != len(want) {
		t.Errorf("%d are there, %d are known", len(want), len(r.known))
	}
}

// The property that presence promises: the list and the events since then add up to the people
// present, each event changes something, and no person leaves that was away for less than the
// grace period.
func TestPresenceProperty(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			h := presenceHub()
			connections := make(map[string][]*Member)
			away := make(map[string]time.Time) // since when
			rooms := []*room{enter(t, h, "x")}
			left := func(id string, at time.Time) {
				if len(connections[id]) > 0 || at.Sub(away[id]) < DefaultPresenceGrace {
					t.Errorf("%s is told to have left %v after", id, at.Sub(away[id]))
				}
			}
			for range 400 {
				id := fmt.Sprint("u", rand.IntN(8))
				switch of := connections[id]; rand.IntN(4) {
				case 0, 1:
					connections[id] = append(of, come(t, h, id, fmt.Sprint(rand.IntN(2)), "x"))
				case 2:
					for len(of) > 0 && rand.IntN(4) > 0 {
						of[0].Leave()
						of = of[1:]
						away[id] = time.Now()
					}
					connections[id] = of
				case 3:
					if rand.IntN(8) == 0 {
						rooms = append(rooms, enter(t, h, "x"))
					}
				}
				if rand.IntN(3) > 0 {
					pass(time.Duration(rand.ExpFloat64() * 300 * float64(time.Millisecond)))
					for _, r := range rooms {
						r.follow(t, left)
					}
				}
			}
			pass(time.Minute)
			want, err := h.Presence("x")
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range want {
				n := len(connections[p.ID])
				if p.Anonymous {
					n = 1
				}
				if n != p.Connections || n == 0 {
					t.Errorf("%s is there %d times, want %d", p.ID, p.Connections, n)
				}
			}
			for _, r := range rooms {
				r.follow(t, left)
				r.check(t, want)
			}
		})
	}
}

// The same with concurrent members.
func TestPresenceConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := presenceHub()
		stay := come(t, h, "stay", "", "x")
		var all sync.WaitGroup
		rooms := make([]*room, 8)
		for i := range rooms {
			all.Go(func() {
				for n := range 60 {
					m := come(t, h, fmt.Sprint("u", rand.IntN(12)), "", "x")
					time.Sleep(time.Duration(rand.IntN(3)) * 50 * time.Millisecond)
					if n == 30 {
						rooms[i] = enter(t, h, "x")
					}
					if rand.IntN(4) > 0 {
						m.Leave()
					}
					if n%10 == 0 {
						time.Sleep(3 * time.Second)
					}
				}
			})
		}
		all.Wait()
		pass(time.Minute)
		want, _ := h.Presence("x")
		for _, r := range rooms {
			r.follow(t, func(string, time.Time) {})
			r.check(t, want)
		}
		stay.Leave()
	})
}

func (p *presence) pends() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.at.IsZero()
}

// No timer runs when there are no events to send, or no members left.
func TestPresenceTimerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := presenceHub()
		ada := come(t, h, "ada", "", "x")
		p := ada.Subscription("x").shard.topic.presence
		bob := come(t, h, "bob", "", "x")
		pass(time.Second)
		bob.Leave()
		if !p.pends() {
			t.Error("nobody will be told")
		}
		pass(time.Minute)
		if p.pends() || p.timer.Stop() {
			t.Error("the timer runs for nothing")
		}
		come(t, h, "cem", "", "x").Leave()
		ada.Leave()
		if !p.ended || p.timer.Stop() {
			t.Error("the timer runs although the topic has ended")
		}
	})
}
