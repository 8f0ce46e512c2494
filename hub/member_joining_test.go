package hub

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
)

// slowBroker is a broker whose Join of "slow" waits until the test lets it, and whose answers to
// Publish wait as well.
type slowBroker struct {
	*MemoryNode
	asked chan struct{} // Join was called
	let   chan struct{}

	mu      sync.Mutex
	held    bool     // answers are kept
	answers []func() // that were kept
}

func newSlowBroker(t *testing.T) *slowBroker {
	n := NewMemoryBroker(MemoryBrokerOptions{History: 1000}).Node()
	t.Cleanup(func() { _ = n.Close() })
	return &slowBroker{MemoryNode: n, asked: make(chan struct{}, 10), let: make(chan struct{})}
}

func (b *slowBroker) Join(ctx context.Context, subject string) (Position, error) {
	if subject == "slow" {
		b.asked <- struct{}{}
		<-b.let
	}
	return b.MemoryNode.Join(ctx, subject)
}

func (b *slowBroker) Publish(ctx context.Context, m *Envelope, done func(Position, error)) {
	b.MemoryNode.Publish(ctx, m, func(at Position, err error) {
		b.mu.Lock()
		held := b.held
		if held {
			b.answers = append(b.answers, func() { done(at, err) })
		}
		b.mu.Unlock()
		if !held {
			done(at, err)
		}
	})
}

func (b *slowBroker) answer() {
	b.mu.Lock()
	answers := b.answers
	b.held, b.answers = false, nil
	b.mu.Unlock()
	for _, f := range answers {
		f()
	}
}

// joiningMember returns a member that is in "other", and about to be in "slow".
func joiningMember(t *testing.T, to Subscriber) (h *Hub, b *slowBroker, m *Member, joined chan error) {
	b = newSlowBroker(t)
	h = New(Options{Broker: b})
	m = newMember(t, h, to, "")
	subscribe(t, m, "other", SubscribeOptions{Encoding: raw})
	joined = make(chan error, 1)
	go func() {
		_, _, err := m.Subscribe("slow", SubscribeOptions{Encoding: raw})
		joined <- err
	}()
	<-b.asked
	return h, b, m, joined
}

// While a member waits for the broker, nothing else waits for the member.
func TestNothingWaitsForJoining(t *testing.T) {
	to := new(survivor)
	h, b, m, joined := joiningMember(t, to)
	if all := m.Topics(); fmt.Sprint(all) != "[other]" || m.Subscription("slow") != nil {
		t.Errorf("it is in %q", all)
	}
	if _, _, err := m.Subscribe("slow", SubscribeOptions{Encoding: raw}); !errors.Is(err, ErrSubscribed) {
		t.Errorf("a second time: %v", err)
	}
	if _, err := m.Publish("third", number(1)); err != nil {
		t.Error(err)
	}
	if n, _ := h.Disconnect("other", CloseReason{Code: 4000, Text: "over"}); n != 1 {
		t.Errorf("%d were disconnected", n)
	}
	waitFor(t, func() bool { to.mu.Lock(); defer to.mu.Unlock(); return len(to.ended) == 1 })
	close(b.let)
	if err := <-joined; err != nil || m.Subscription("slow") == nil {
		t.Errorf("it did not join: %v", err)
	}
	m.Leave()
	waitFor(t, func() bool { return len(h.Topics()) == 0 })
}

// A member that leaves while it waits for the broker is in no topic afterwards.
func TestLeaveWhileJoining(t *testing.T) {
	h, b, m, joined := joiningMember(t, new(fake))
	m.Leave()
	close(b.let)
	if err := <-joined; !errors.Is(err, ErrLeft) {
		t.Errorf("joined after it had left: %v", err)
	}
	waitFor(t, func() bool { return len(h.Topics()) == 0 })
}

// A subscription that the server ends before Subscribe has returned has ended when it has.
func TestDisconnectWhileJoining(t *testing.T) {
	to := new(survivor)
	b := newSlowBroker(t)
	close(b.let)
	h := New(Options{Broker: b})
	m := newMember(t, h, to, "")
	j := &joining{name: "x", count: 1, sub: new(Subscription)}
	m.mu.Lock()
	if err := m.beginLocked(j, 0); err != nil {
		t.Fatal(err)
	}
	m.mu.Unlock()
	if _, err := h.Subscribe("x", j.sub, m, SubscribeOptions{Encoding: raw}); err != nil {
		t.Fatal(err)
	}
	if n, _ := h.Disconnect("x", CloseReason{Code: 4000, Text: "over"}); n != 1 {
		t.Errorf("%d were disconnected", n)
	}
	if err := m.joined(j, nil); err != nil {
		t.Error(err)
	}
	waitFor(t, func() bool { to.mu.Lock(); defer to.mu.Unlock(); return len(to.ended) == 1 })
	if m.Subscription("x") != nil || len(h.Topics()) != 0 {
		t.Errorf("it is still there: %+v", h.Topics())
	}
}

// The end of a subscription by the server is an event in the topic's order, also while Subscribe
// is still getting the list of people: what is published after it is not delivered.
func TestDisconnectWhileJoiningPresence(t *testing.T) {
	h := New(Options{Topic: func(string) *TopicOptions { return &TopicOptions{Presence: true} }})
	subscribe(t, newMember(t, h, new(fake), ""), "x", SubscribeOptions{Encoding: raw})
	to := new(survivor)
	m := newMember(t, h, to, "")
	p := h.lookup("x").presence
	p.telling.Lock()
	joined := make(chan error, 1)
	go func() {
		_, _, err := m.Subscribe("x", SubscribeOptions{Encoding: raw, Presence: new([]Person)})
		joined <- err
	}()
	waitFor(t, func() bool { s, _ := h.Topic("x"); return s.Subscribers == 2 })
	if n := h.DisconnectIf("x", func(s Subscriber) bool { return s == m }, CloseReason{Code: 4000, Text: "over"}); n != 1 {
		t.Errorf("%d were disconnected", n)
	}
	if rc := publish(t, h, "x", 1); rc.Receivers != 1 {
		t.Errorf("a message after the end has %d receivers, not 1", rc.Receivers)
	}
	p.telling.Unlock()
	if err := <-joined; err != nil || m.Subscription("x") != nil {
		t.Errorf("it has joined: %v", err)
	}
	waitFor(t, func() bool { to.mu.Lock(); defer to.mu.Unlock(); return len(to.ended) == 1 })
	waitFor(t, func() bool { return h.subscriptions.Load() == 1 }) // the presence events have ended too
	to.mu.Lock()
	defer to.mu.Unlock()
	if len(to.got) > 0 {
		t.Errorf("it got %d", to.got)
	}
}

// A subscription that fails because its topic does not track presence delivers no history.
func TestFailedSubscriptionDeliversNothing(t *testing.T) {
	var run manual
	h := New(Options{Workers: run.on(1), Topic: func(string) *TopicOptions { return &TopicOptions{History: History{Messages: 10}} }})
	for n := range uint64(5) {
		publish(t, h, "x", n)
	}
	to := new(fake)
	m := newMember(t, h, to, "")
	_, _, err := m.Subscribe("x", SubscribeOptions{Encoding: raw, Start: Start{Last: 5}, Presence: new([]Person)})
	if !errors.Is(err, ErrNoPresence) {
		t.Errorf("the error is %v", err)
	}
	run.runAll()
	if len(to.got) > 0 || to.dropped > 0 {
		t.Errorf("it got %d, and was told of %d dropped", to.got, to.dropped)
	}
	if s, _ := h.Topic("x"); s.Subscribers+s.Lagging > 0 {
		t.Errorf("it is still there: %+v", s)
	}
}

// One publisher has many messages in flight; they keep their order, also those that wait for
// the topic to be joined, and each is answered once.
func TestPublishesInFlight(t *testing.T) {
	const messages = 200
	b := newSlowBroker(t)
	h := New(Options{Broker: b, Topic: func(string) *TopicOptions { return &TopicOptions{History: History{Messages: 1000}} }})
	b.held = true
	var mu sync.Mutex
	var answered []uint64
	for n := range uint64(messages) {
		h.PublishAsync("slow", number(n), func(rc Receipt, err error) {
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			answered = append(answered, rc.Position.Offset)
			mu.Unlock()
		})
	}
	<-b.asked // all wait for the topic, and PublishAsync for nothing
	close(b.let)
	waitFor(t, func() bool { b.mu.Lock(); defer b.mu.Unlock(); return len(b.answers) == messages })
	b.answer()
	if len(answered) != messages {
		t.Errorf("%d answers", len(answered))
	}
	var all []*Record
	waitFor(t, func() bool {
		all, _, _ = h.History("slow", Start{Last: 1000}, 1000)
		return len(all) == messages
	})
	for i, r := range all {
		if n := numbers(&testForm{r.Data}); n[0] != uint64(i) || answered[i] != r.Offset {
			t.Fatalf("message %d is %d, at %d; told %d", i, n, r.Offset, answered[i])
		}
	}
}

// PublishAsync to the member's own user topic does not wait for the broker either; other
// users' topics are forbidden.
func TestPublishAsyncToUserTopic(t *testing.T) {
	b := newSlowBroker(t)
	b.held = true
	h := New(Options{Broker: b})
	m := newMember(t, h, new(fake), "ada")
	answers := make(chan error, 1)
	m.PublishAsync(UserTopic("ada"), number(1), func(_ Receipt, err error) { answers <- err })
	select {
	case err := <-answers:
		t.Errorf("answered before the broker was: %v", err)
	default:
	}
	b.answer()
	if err := <-answers; err != nil {
		t.Error(err)
	}
	m.PublishAsync(UserTopic("bob"), number(1), func(_ Receipt, err error) { answers <- err })
	if err := <-answers; !errors.Is(err, ErrForbidden) {
		t.Errorf("to another user's topic: %v", err)
	}
}
