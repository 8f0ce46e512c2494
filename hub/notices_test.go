package hub

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// told collects what a hub tells the program.
type told struct {
	mu   sync.Mutex
	all  []string // such as "+a" and "-a" for topics, "a+ada" and "a-ada" for people
	busy bool     // a function is running
}

func (o *told) add(t *testing.T, what ...string) {
	o.mu.Lock()
	if o.busy {
		t.Error("two functions run at a time")
	}
	o.busy = true
	o.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all, o.busy = append(o.all, what...), false
}

func (o *told) list() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.all)
}

// tellingHub returns a hub, and what it tells.
func tellingHub(t *testing.T, o Options) (*Hub, *told) {
	got := new(told)
	o.OnOccupied = func(topic string, occupied bool) {
		got.add(t, map[bool]string{true: "+", false: "-"}[occupied]+topic)
	}
	o.OnPresence = func(topic string, joined, left []Person) {
		var all []string
		for _, p := range joined {
			all = append(all, fmt.Sprintf("%s+%s%s", topic, p.ID, p.Data))
		}
		for _, p := range left {
			all = append(all, fmt.Sprintf("%s-%s%s", topic, p.ID, p.Data))
		}
		got.add(t, all...)
	}
	return New(o), got
}

func (o *told) wants(t *testing.T, want ...string) {
	t.Helper()
	if waitFor(t, func() bool { return len(o.list()) >= len(want) }); !slices.Equal(o.list(), want) {
		t.Errorf("told %q, want %q", o.list(), want)
	}
}

func TestOccupied(t *testing.T) {
	var run manual
	h, got := tellingHub(t, Options{Workers: run.on(1), Topic: func(string) *TopicOptions { return &TopicOptions{History: History{Messages: 1}} }})
	a, b := newMember(t, h, new(fake), "ada"), newMember(t, h, new(fake), "")
	got.wants(t, "+@ada")
	subscribe(t, a, "x", SubscribeOptions{Encoding: raw})
	got.wants(t, "+@ada", "+x")
	subscribe(t, b, "x", SubscribeOptions{Encoding: raw})
	subscribe(t, b, "p.*", SubscribeOptions{Encoding: raw})
	publish(t, h, "p.1", 1) // neither a message nor a pattern occupies a topic
	publish(t, h, "x", 1)
	got.wants(t, "+@ada", "+x", "+p.*")
	a.Leave()
	got.wants(t, "+@ada", "+x", "+p.*", "-@ada")
	if err := b.Unsubscribe("x"); err != nil {
		t.Fatal(err)
	}
	b.Leave()
	got.wants(t, "+@ada", "+x", "+p.*", "-@ada", "-x", "-p.*") // x has history, and is vacated all the same
	run.runAll()
}

// For each topic the events alternate, however many goroutines cause them, and the last one is right. The topics begin and
// end all the time.
func TestOccupiedOrder(t *testing.T) {
	h, got := tellingHub(t, Options{Workers: Goroutines(2)})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 400 {
				m := newMember(t, h, new(fake), "")
				subscribe(t, m, fmt.Sprint("t", i%3), SubscribeOptions{Encoding: raw})
				if i < 397 {
					m.Leave()
				}
			}
		})
	}
	all.Wait()
	h.awaitNotices(t.Context())
	last := make(map[string]string)
	for _, s := range got.list() {
		if topic := s[1:]; last[topic] == s || last[topic] == "" && s[0] == '-' {
			t.Fatalf("%s after %q", s, last[topic])
		}
		last[s[1:]] = s
	}
	for i := range 3 {
		if name := fmt.Sprint("t", i); last[name] != "+"+name {
			t.Errorf("the last of %s is %q", name, last[name])
		}
	}
}

func TestOnPresence(t *testing.T) {
	clock := time.Unix(1e9, 0)
	h, got := tellingHub(t, Options{
		Workers: Goroutines(1), Now: func() time.Time { return clock },
		Topic: func(name string) *TopicOptions {
			return &TopicOptions{Presence: true, PresenceGrace: time.Hour, History: History{Messages: len(strings.TrimLeft(name, "x"))}}
		},
	})
	people := func() (all []string) {
		return slices.DeleteFunc(got.list(), func(s string) bool { return s[0] == '+' || s[0] == '-' })
	}
	wants := func(want ...string) {
		t.Helper()
		if waitFor(t, func() bool { return len(people()) >= len(want) }); !slices.Equal(people(), want) {
			t.Errorf("told %q, want %q", people(), want)
		}
	}
	m, err := h.NewMember(new(fake), Identity{User: "ada", Data: []byte("1")}, SubscribeOptions{Encoding: raw})
	if err != nil {
		t.Fatal(err)
	}
	subscribe(t, m, "x", SubscribeOptions{Encoding: raw})
	subscribe(t, m, "kept", SubscribeOptions{Encoding: raw})
	waitFor(t, func() bool { return len(people()) == 2 }) // in any order
	publish(t, h, "kept", 1)
	m.Leave()
	first := people()
	wants(first[0], first[1], "x-ada1") // x has ended; from the other topic she may be away for an hour
}

// Shutdown returns after the program was told that the topics are empty.
func TestShutdownTells(t *testing.T) {
	h, got := tellingHub(t, Options{Workers: Goroutines(1)})
	for range 3 {
		subscribe(t, newMember(t, h, new(fake), ""), "x", SubscribeOptions{Encoding: raw})
	}
	got.wants(t, "+x")
	if err := h.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all := got.list(); !slices.Equal(all, []string{"+x", "-x"}) {
		t.Errorf("told %q", all)
	}
}
