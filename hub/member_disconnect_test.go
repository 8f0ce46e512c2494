package hub

import (
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// survivor is a fake whose connection stays open when one of its topics ends.
type survivor struct {
	fake
	ended []string
}

func (s *survivor) OnUnsubscribe(name string, why CloseReason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if why == (CloseReason{Code: 4000, Text: "over"}) {
		s.ended = append(s.ended, name)
	}
}

func TestDisconnectOfMembers(t *testing.T) {
	var run manual
	h := New(Options{Workers: run.on(1), Topic: func(string) *TopicOptions { return &TopicOptions{Presence: true} }})
	survives, dies, alone := new(survivor), new(fake), new(fake).join(t, h, "a")
	m, other := newMember(t, h, survives, "ada"), newMember(t, h, dies, "")
	for _, name := range []string{"a", "b", "a.*"} {
		subscribe(t, m, name, SubscribeOptions{Encoding: raw})
	}
	subscribe(t, m, "c", SubscribeOptions{Encoding: raw, Presence: new([]Person)})
	subscribe(t, other, "a", SubscribeOptions{Encoding: raw})
	for name, n := range map[string]int{"a": 3, "a.*": 1, "c": 1, "nothing": 0} {
		if got, _ := h.Disconnect(name, CloseReason{Code: 4000, Text: "over"}); got != n {
			t.Errorf("%s: %d were disconnected, want %d", name, got, n)
		}
	}
	slices.Sort(survives.ended)
	if !slices.Equal(survives.ended, []string{"a", "a.*", "c"}) || survives.closed != 0 || dies.closed != 4000 || alone.closed != 4000 {
		t.Errorf("ended %q; closed with %d, %d and %d", survives.ended, survives.closed, dies.closed, alone.closed)
	}
	for _, name := range []string{"a", "b", "a.b", "c"} {
		publish(t, h, name, 1)
	}
	run.runAll()
	wantGot(t, "the member", &survives.fake, 1) // of b
	if got := m.Topics(); !slices.Equal(got, []string{"b"}) {
		t.Errorf("topics %q are left", got)
	}
	if n := h.DisconnectIf(UserTopic("ada"), func(to Subscriber) bool { return to != m }, CloseReason{Code: 4001}); n != 0 || survives.closed != 0 {
		t.Errorf("%d were disconnected who are not meant", n)
	}
	if n := h.DisconnectIf(UserTopic("ada"), func(to Subscriber) bool { return to == m }, CloseReason{Code: 4001}); n != 1 || survives.closed != 4001 {
		t.Error("the user's connection was not closed")
	}
	m.Leave()
	other.Leave()
	alone.sub.Unsubscribe()
	if left := h.Topics(); len(left) != 0 {
		t.Errorf("left over: %+v", left)
	}
}

// Disconnect and End are for a single member.
func TestMemberDisconnect(t *testing.T) {
	var run manual
	h := New(Options{Workers: run.on(1)})
	to, other := new(survivor), new(survivor)
	m, m2 := newMember(t, h, to, "ada"), newMember(t, h, other, "ada")
	for _, name := range []string{"a", "b"} {
		subscribe(t, m, name, SubscribeOptions{Encoding: raw})
		subscribe(t, m2, name, SubscribeOptions{Encoding: raw})
	}
	if !m.End("a", CloseReason{Code: 4000, Text: "over"}) || m.End("a", CloseReason{}) || m.End("nothing", CloseReason{}) {
		t.Error("End does not report what it has ended")
	}
	publish(t, h, "b", 1)
	m.Disconnect(CloseReason{Code: 4401})
	m.Disconnect(CloseReason{Code: 4402})
	publish(t, h, "b", 2)
	if !m.Left() || m2.Left() {
		t.Error("Left is wrong")
	}
	for _, topic := range []string{"b", "other", UserTopic("ada")} {
		if _, err := m.Publish(topic, Message{}); !errors.Is(err, ErrLeft) {
			t.Errorf("it publishes in %s after its end: %v", topic, err)
		}
		m.PublishAsync(topic, Message{}, func(_ Receipt, err error) {
			if !errors.Is(err, ErrLeft) {
				t.Errorf("it publishes in %s after its end: %v", topic, err)
			}
		})
	}
	if to.closed != 0 {
		t.Error("it was closed before it got what was published before")
	}
	run.runAll()
	wantGot(t, "the member", &to.fake, 1)
	wantGot(t, "the other", &other.fake, 1, 2)
	if !slices.Equal(to.ended, []string{"a"}) || to.closed != 4401 || len(other.ended) != 0 || other.closed != 0 {
		t.Errorf("ended %q and %q, closed with %d and %d", to.ended, other.ended, to.closed, other.closed)
	}
	m.Leave()
	m2.Leave()
}

func TestMemberValue(t *testing.T) {
	m, err := New(Options{}).NewMember(new(fake), Identity{Value: 7}, SubscribeOptions{})
	if err != nil || m.Value() != 7 {
		t.Fatal(m.Value(), err)
	}
	for _, v := range []any{"other type", nil} {
		if m.SetValue(v); m.Value() != v {
			t.Errorf("%v, want %v", m.Value(), v)
		}
	}
}

// held is a fake that takes a message only when the test lets it.
type held struct {
	fake
	asked, let chan struct{}
	took       atomic.Bool
}

func (h *held) Send(p Encoded) netpoll.Outcome {
	h.asked <- struct{}{}
	<-h.let
	runtime.Gosched() // time enough to return from Unsubscribe
	h.took.Store(true)
	return h.fake.Send(p)
}

// A message that is being delivered when Unsubscribe is called does not arrive after it has
// returned.
func TestNothingComesAfterUnsubscribe(t *testing.T) {
	h := New(Options{})
	for n := range uint64(200) {
		to := &held{asked: make(chan struct{}), let: make(chan struct{})}
		m := newMember(t, h, to, "")
		s := subscribe(t, m, "x", SubscribeOptions{Encoding: raw})
		publish(t, h, "x", n)
		<-to.asked
		go func() {
			for !s.gone() {
				runtime.Gosched()
			}
			close(to.let)
		}()
		if err := m.Unsubscribe("x"); err != nil {
			t.Fatal(err)
		}
		if !to.took.Load() {
			t.Fatal("a message came after Unsubscribe")
		}
	}
}

// A pattern that ends twice leaves a newer one of that name alone.
func TestPatternEndsOnce(t *testing.T) {
	h := New(Options{})
	f := new(fake).join(t, h, "a.*")
	old := h.lookup("a.*")
	f.sub.Unsubscribe()
	again := new(fake).join(t, h, "a.*")
	h.forget(old)
	if rc := publish(t, h, "a.b", 1); rc.Receivers != 1 {
		t.Errorf("%d receivers", rc.Receivers)
	}
	waitFor(t, func() bool { return len(again.received()) == 1 })
}
