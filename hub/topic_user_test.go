package hub

import (
	"errors"
	"strings"
	"testing"
)

func TestUserIsOneTopic(t *testing.T) {
	var run manual
	h := New(Options{Workers: run.on(2)})
	a1, a2, b := new(fake), &fake{loop: 1}, new(fake)
	m1, m2, mb := newMember(t, h, a1, "ada"), newMember(t, h, a2, "ada"), newMember(t, h, b, "bob")
	if m1.User() != "ada" {
		t.Errorf("user %q", m1.User())
	}
	if rc, err := h.Publish(UserTopic("ada"), number(1)); err != nil || rc.Receivers != 2 {
		t.Errorf("%+v, %v", rc, err)
	}
	if _, err := m1.Publish("@ada", number(2)); err != nil {
		t.Error(err)
	}
	run.runAll()
	wantGot(t, "ada", a1, 1, 2)
	wantGot(t, "ada's other connection", a2, 1, 2)
	wantGot(t, "bob", b)
	if ts, ok := h.User("ada"); !ok || ts.Subscribers != 2 {
		t.Errorf("%+v, %v", ts, ok)
	}
	if n, _ := h.Disconnect(UserTopic("ada"), CloseReason{Code: 4000, Text: "enough"}); n != 2 || a1.closed != 4000 || a2.closed != 4000 || b.closed != 0 {
		t.Errorf("closed %d: %d %d %d", n, a1.closed, a2.closed, b.closed)
	}
	m1.Leave()
	m2.Leave()
	mb.Leave()
	if n := len(h.Topics()); n != 0 {
		t.Errorf("%d topics are left", n)
	}
}

func TestUserTopicsAreReserved(t *testing.T) {
	var run manual
	h := New(Options{Workers: run.on(1)})
	f := new(fake)
	m := newMember(t, h, f, "ada")
	newMember(t, h, new(fake), "bob.x")
	for _, name := range []string{"@bob.x", "@ada", "@", "@*", "@bob.>"} {
		if _, _, err := m.Subscribe(name, SubscribeOptions{Encoding: raw}); !errors.Is(err, ErrForbidden) {
			t.Errorf("subscribed to %q: %v", name, err)
		}
		if err := m.Unsubscribe(name); !errors.Is(err, ErrForbidden) {
			t.Errorf("unsubscribed from %q: %v", name, err)
		}
		if _, err := m.Publish(name, number(1)); name != "@ada" && !errors.Is(err, ErrForbidden) {
			t.Errorf("published to %q: %v", name, err)
		}
	}
	run.runAll()
	wantGot(t, "ada", f, 1)
	for _, user := range []string{"a b", "a/b", "*", "a..b", ">", strings.Repeat("u", 255)} {
		if _, err := h.NewMember(f, Identity{User: user}, SubscribeOptions{Encoding: raw}); err == nil || !strings.Contains(err.Error(), "name of a user") {
			t.Errorf("a user is called %q: %v", user, err)
		}
	}
}

func TestNoPatternMatchesUsers(t *testing.T) {
	var run manual
	h := New(Options{Workers: run.on(1)})
	newMember(t, h, new(fake), "ada.x")
	all := new(fake)
	m := newMember(t, h, all, "")
	for _, pattern := range []string{">", "*", "*.*", "*.x"} {
		subscribe(t, m, pattern, SubscribeOptions{Encoding: raw})
		if rcs, err := h.PublishMatching(pattern, number(1)); err != nil || len(rcs) != 0 {
			t.Errorf("%q matches %v (%v)", pattern, rcs, err)
		}
	}
	publish(t, h, "@ada.x", 2)
	run.runAll()
	wantGot(t, "who listens to all", all)
	var s Subscription
	if _, err := h.Subscribe("@ada.*", &s, all, SubscribeOptions{Encoding: raw}); err == nil {
		t.Error("a pattern for users was taken")
	}
}
