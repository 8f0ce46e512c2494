package hub

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// last is a fake that records what it had received when it was closed.
type last struct {
	fake
	had []uint64
}

func (l *last) Close(why CloseReason) {
	if l.had == nil {
		l.had = append([]uint64{}, l.received()...)
	}
	l.fake.Close(why)
}

func (l *last) hadAtTheEnd(t *testing.T, what string, want ...uint64) {
	t.Helper()
	if !slices.Equal(l.had, want) {
		t.Errorf("%s had %v when it was closed, want %v", what, l.had, want)
	}
}

func (l *last) joins(t *testing.T, h *Hub, topic string, o SubscribeOptions) *last {
	t.Helper()
	if _, err := h.Subscribe(topic, &l.sub, l, o); err != nil {
		t.Fatal(err)
	}
	return l
}

// A message for which a receipt counted a subscriber arrives before the server ends the
// subscription, and nothing arrives after that: through the topic and through a pattern, for a
// subscriber that is getting history, and for one that is slow.
func TestDisconnectComesAfterWhatWasPublished(t *testing.T) {
	for _, slow := range []SlowPolicy{Disconnect, DropNewest, DropOldest, Conflate} {
		var m manual
		h := New(Options{Workers: m.on(1), Topic: func(string) *TopicOptions {
			return &TopicOptions{Slow: slow, History: History{Messages: 2}}
		}})
		publish(t, h, "x", 1)
		fresh, old := new(last).joins(t, h, "x", SubscribeOptions{Encoding: raw}), new(last).joins(t, h, "x", SubscribeOptions{Encoding: raw, Start: Start{Last: 1}})
		lags, pattern := new(last).joins(t, h, "x", SubscribeOptions{Encoding: raw}), new(last).joins(t, h, "*", SubscribeOptions{Encoding: raw})
		lags.stall(true)
		publish(t, h, "x", 2)
		m.runAll()
		for n := uint64(3); n <= 10; n++ {
			if rc := publish(t, h, "x", n); rc.Receivers != 4 {
				t.Fatalf("%d receivers", rc.Receivers)
			}
		}
		a, _ := h.Disconnect("x", CloseReason{Code: 4001, Text: "over"})
		b, _ := h.Disconnect("*", CloseReason{Code: 4001, Text: "over"})
		if a+b != 4 {
			t.Errorf("%d were disconnected", a+b)
		}
		if rc := publish(t, h, "x", 11); rc.Receivers != 0 {
			t.Errorf("%d receivers after the end", rc.Receivers)
		}
		m.runAll()
		if lags.closed != 0 {
			t.Error("one that is slow was closed before it had all")
		}
		lags.stall(false)
		m.runAll()
		fresh.hadAtTheEnd(t, "who was up to date", upTo(2, 10)...)
		old.hadAtTheEnd(t, "who began with history", upTo(1, 10)...)
		pattern.hadAtTheEnd(t, "who listened to the pattern", upTo(2, 10)...)
		lags.hadAtTheEnd(t, "who was slow", upTo(2, 10)...)
		for _, l := range []*last{fresh, old, lags, pattern} {
			if l.sub.Unsubscribe(); l.closed != 4001 || len(l.received()) != len(l.had) || l.sub.lag != nil {
				t.Errorf("closed with %d, got %v", l.closed, l.received())
			}
		}
		if st := h.Stats(); st.Dropped != 0 || st.Evicted != 0 {
			t.Errorf("%+v", st)
		}
	}
}

// In a topic that conflates, a subscription that has ended gets the messages that were the latest
// at its end, even if they are superseded later.
func TestLatestBeforeTheEnd(t *testing.T) {
	var m manual
	h := New(Options{Workers: m.on(1), Topic: func(string) *TopicOptions { return &TopicOptions{Slow: Conflate} }})
	l := new(last).joins(t, h, "x", SubscribeOptions{Encoding: raw})
	for n := range uint64(6) {
		keyed(t, h, n)
	}
	h.Disconnect("x", CloseReason{Code: 4001})
	for n := range uint64(6) {
		keyed(t, h, 6+n)
	}
	m.runAll()
	l.hadAtTheEnd(t, "it", 3, 4, 5)
}

// A slow subscriber has until Options.EndTimeout; the messages that it does not get are counted.
func TestEndTimeout(t *testing.T) {
	h := New(Options{EndTimeout: time.Millisecond})
	f := (&fake{stalled: true}).join(t, h, "x")
	for n := range uint64(5) {
		publish(t, h, "x", n)
	}
	waitFor(t, func() bool { return len(f.received()) > 0 })
	h.Disconnect("x", CloseReason{Code: 4001})
	waitFor(t, func() bool { return f.wasClosed() == 4001 })
	if got := len(f.received()); h.Stats().Dropped != int64(5-got) || f.dropped != int64(5-got) {
		t.Errorf("got %d of 5, dropped %d, told of %d", got, h.Stats().Dropped, f.dropped)
	}
	if n := len(h.Topics()); n != 0 {
		t.Errorf("%d topics are left", n)
	}
}

// A member is closed after it has got the messages published in all its topics.
func TestMemberIsClosedAfterAll(t *testing.T) {
	var m manual
	h := New(Options{Workers: m.on(1)})
	l := new(last)
	member := newMember(t, h, l, "ada")
	subscribe(t, member, "a", SubscribeOptions{Encoding: raw})
	subscribe(t, member, "b.*", SubscribeOptions{Encoding: raw})
	for i, name := range []string{"a", "b.b", UserTopic("ada"), "a"} {
		publish(t, h, name, uint64(i))
	}
	if n, _ := h.Disconnect(UserTopic("ada"), CloseReason{Code: 4001}); n != 1 {
		t.Errorf("%d were disconnected", n)
	}
	publish(t, h, "a", 9)
	if _, _, err := member.Subscribe("c", SubscribeOptions{Encoding: raw}); !errors.Is(err, ErrLeft) {
		t.Errorf("subscribed while it is being closed: %v", err)
	}
	m.runAll()
	slices.Sort(l.had)
	l.hadAtTheEnd(t, "the member", 0, 1, 2, 3)
	member.Leave()
	if n := len(h.Topics()); n != 0 || l.closed != 4001 {
		t.Errorf("%d topics are left; closed with %d", n, l.closed)
	}
}

// Five messages are published, then the subscriber unsubscribes: all five arrive before
// Unsubscribe returns, and nothing after it; with presence too.
func TestUnsubscribeComesAfterWhatWasPublished(t *testing.T) {
	var run manual
	h := New(Options{Workers: run.on(1), Topic: func(string) *TopicOptions { return &TopicOptions{Presence: true} }})
	f := new(fake)
	m := newMember(t, h, f, "")
	subscribe(t, m, "x", SubscribeOptions{Encoding: raw, Presence: new([]Person)})
	for n := range uint64(5) {
		if rc := publish(t, h, "x", n); rc.Receivers != 1 {
			t.Errorf("%d receivers", rc.Receivers)
		}
	}
	told := false
	if err := m.UnsubscribeThen("x", func() { told = true }); err != nil {
		t.Fatal(err)
	}
	wantGot(t, "the member", f, 0, 1, 2, 3, 4)
	if !told {
		t.Error("it is not told that this was all")
	}
	publish(t, h, "x", 5)
	run.runAll()
	wantGot(t, "the member", f, 0, 1, 2, 3, 4)
}

// A slow member is told when it has got everything, and loses the rest if it subscribes again
// before that.
func TestUnsubscribeOfTheSlow(t *testing.T) {
	for _, again := range []bool{false, true} {
		var run manual
		h := New(Options{Workers: run.on(1), MaxSubscriptions: 2})
		f := &fake{stalled: true}
		m := newMember(t, h, f, "")
		subscribe(t, m, "x", SubscribeOptions{Encoding: raw})
		for n := range uint64(5) {
			publish(t, h, "x", n)
			run.runAll()
		}
		var told atomic.Bool
		if err := m.UnsubscribeThen("x", func() { told.Store(true) }); err != nil {
			t.Fatal(err)
		}
		publish(t, h, "x", 5)
		run.runAll()
		if told.Load() {
			t.Error("it is told too early")
		}
		want := upTo(0, 4)
		if again {
			subscribe(t, m, "x", SubscribeOptions{Encoding: raw})
			publish(t, h, "x", 6)
			want = []uint64{0, 6}
		} else {
			subscribe(t, m, "y", SubscribeOptions{Encoding: raw})
			if _, _, err := m.Subscribe("z", SubscribeOptions{Encoding: raw}); !errors.Is(err, ErrTooMany) {
				t.Errorf("what it leaves does not count: %v", err)
			}
		}
		f.stall(false)
		run.runAll()
		waitFor(t, told.Load)
		wantGot(t, fmt.Sprint("the member, again ", again), f, want...)
		lost := map[bool]int64{true: 4}[again]
		if dropped := h.Stats().Dropped; dropped != lost {
			t.Errorf("%d were dropped, want %d", dropped, lost)
		}
	}
}

// A paused subscription that the server ends gets, once it is resumed, the messages published
// before its end, and then the end. One that its subscriber ends gets nothing.
func TestDisconnectPaused(t *testing.T) {
	var m manual
	h := New(Options{Workers: m.on(1)})
	l, quits := new(last).joins(t, h, "x", SubscribeOptions{Encoding: raw, Paused: true}), new(last).joins(t, h, "x", SubscribeOptions{Encoding: raw, Paused: true})
	publish(t, h, "x", 1)
	quits.sub.Unsubscribe()
	h.Disconnect("x", CloseReason{Code: 4001})
	m.runAll()
	if l.closed != 0 {
		t.Error("closed before it was resumed")
	}
	l.sub.Resume()
	quits.sub.Resume()
	m.runAll()
	l.hadAtTheEnd(t, "it", 1)
	quits.expect(t)
}

// The sum of all receipts is what is received, no matter who ends subscriptions, and when.
func TestReceiptsAreTrue(t *testing.T) {
	const topics, publishers, messages = 3, 3, 2000
	h := New(Options{Workers: Goroutines(2)})
	var counted atomic.Int64
	var mu sync.Mutex
	var all []*fake
	var publishing, ending sync.WaitGroup
	come := func(i int) {
		f := &fake{loop: i % 2}
		f.join(t, h, fmt.Sprint("t", rand.IntN(topics)))
		mu.Lock()
		all = append(all, f)
		mu.Unlock()
	}
	for i := range 100 {
		come(i)
	}
	for range publishers {
		publishing.Go(func() {
			for n := range uint64(messages) {
				counted.Add(int64(publish(t, h, fmt.Sprint("t", rand.IntN(topics)), n).Receivers))
			}
		})
	}
	stop := make(chan struct{})
	ending.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			mu.Lock()
			f := all[rand.IntN(len(all))]
			mu.Unlock()
			if i%2 == 0 {
				f.sub.Unsubscribe()
			} else {
				h.DisconnectIf(f.sub.Topic(), func(s Subscriber) bool { return s == f }, CloseReason{Code: 4001})
			}
			come(i)
		}
	})
	publishing.Wait()
	close(stop)
	ending.Wait()
	waitFor(t, func() bool { return quiet(h) })
	received := 0
	for _, f := range all {
		received += len(f.received())
	}
	if int64(received) != counted.Load() {
		t.Errorf("%d were received; receipts say %d", received, counted.Load())
	}
}

// Hub.Disconnect takes effect after all messages acknowledged before, by any node.
func TestDisconnectInACluster(t *testing.T) {
	for range 50 {
		c := newCluster(t, 2, MemoryBrokerOptions{}, Options{})
		l := new(last).joins(t, c.hubs[1], "x", SubscribeOptions{Encoding: raw})
		own := new(fake)
		m := newMember(t, c.hubs[1], own, "")
		subscribe(t, m, "x", SubscribeOptions{Encoding: raw})
		for n := range uint64(10) {
			publish(t, c.hubs[0], "x", n)
		}
		if err := m.Unsubscribe("x"); err != nil {
			t.Fatal(err)
		}
		c.hubs[1].Disconnect("x", CloseReason{Code: 4001})
		publish(t, c.hubs[0], "x", 10)
		waitFor(t, func() bool { return l.wasClosed() == 4001 })
		l.hadAtTheEnd(t, "it", upTo(0, 9)...)
		wantGot(t, "who unsubscribed", own, upTo(0, 9)...)
	}
}

// Shutdown takes effect after the messages published before, in all topics, and no subscriber can
// join after it.
func TestShutdown(t *testing.T) {
	h := New(Options{Workers: Goroutines(2)})
	var all []*last
	for i := range 100 {
		all = append(all, (&last{fake: fake{loop: i % 2}}).joins(t, h, fmt.Sprint("t", i%5), SubscribeOptions{Encoding: raw}))
	}
	m := newMember(t, h, new(last), "ada")
	subscribe(t, m, "t0", SubscribeOptions{Encoding: raw})
	stuck := &last{fake: fake{stalled: true}}
	stuck.joins(t, h, "t0", SubscribeOptions{Encoding: raw})
	for n := range uint64(10) {
		for i := range 5 {
			publish(t, h, fmt.Sprint("t", i), n)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- h.Shutdown(ctx) }()
	waitFor(t, func() bool {
		for _, l := range all {
			if l.wasClosed() == 0 {
				return false
			}
		}
		return m.To().(*last).wasClosed() != 0
	})
	if rc := publish(t, h, "t0", 10); rc.Receivers != 0 {
		t.Errorf("%d receivers of a hub that has shut down", rc.Receivers)
	}
	if _, err := h.Subscribe("t0", new(Subscription), new(fake), SubscribeOptions{Encoding: raw}); !errors.Is(err, ErrClosed) {
		t.Errorf("subscribed: %v", err)
	}
	for i, l := range append(all, m.To().(*last)) {
		l.hadAtTheEnd(t, fmt.Sprint("number ", i), upTo(0, 9)...)
		if l.closed != codeGoingAway {
			t.Errorf("closed with %d", l.closed)
		}
	}
	if stuck.wasClosed() == 0 { // it may have got everything in one write
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("one that is slow is not waited for: %v", err)
		}
		stuck.stall(false)
		waitFor(t, func() bool { return stuck.wasClosed() != 0 })
		stuck.hadAtTheEnd(t, "the slow one", upTo(0, 9)...)
		return
	}
	cancel()
	<-done
}

// leavingMember returns a member that is in "b" and has left "a", after three messages there.
func leavingMember(t *testing.T, h *Hub, run *manual, to Subscriber, user string) *Member {
	t.Helper()
	m := newMember(t, h, to, user)
	a := subscribe(t, m, "a", SubscribeOptions{Encoding: raw})
	subscribe(t, m, "b", SubscribeOptions{Encoding: raw})
	for n := range uint64(3) {
		publish(t, h, "a", n)
		run.runAll()
	}
	a.Unsubscribe()
	return m
}

// A member is closed even if one of its subscriptions was ended separately before, whether that
// one has delivered its backlog by then or not.
func TestMemberIsClosedAfterOneWasUnsubscribed(t *testing.T) {
	for _, stalled := range []bool{false, true} {
		var run manual
		h := New(Options{Workers: run.on(1)})
		l := &last{fake: fake{stalled: stalled}}
		leavingMember(t, h, &run, l, "u1")
		if n, _ := h.Disconnect(UserTopic("u1"), CloseReason{Code: 4001, Text: "over"}); n != 1 {
			t.Errorf("%d were disconnected", n)
		}
		if stalled && l.wasClosed() != 0 {
			t.Error("closed before it had all of what it left")
		}
		l.stall(false)
		run.runAll()
		l.hadAtTheEnd(t, fmt.Sprint("the member, stalled ", stalled), 0, 1, 2)
		if l.wasClosed() != 4001 || !quiet(h) {
			t.Errorf("closed with %d", l.wasClosed())
		}
	}
}

// The same for the other ends: of one topic, by the server or by the topic's name, and of the hub.
func TestEndsAfterUnsubscribe(t *testing.T) {
	var run manual
	h := New(Options{Workers: run.on(1)})
	f := &last{fake: fake{stalled: true}}
	m := leavingMember(t, h, &run, f, "")
	told := 0
	if err := m.UnsubscribeThen("a", func() { told++ }); err != nil || told != 0 {
		t.Errorf("told %d times before the rest came: %v", told, err)
	}
	done := make(chan error, 1)
	go func() { done <- h.Shutdown(t.Context()) }()
	waitFor(t, func() bool {
		_, _, err := m.Subscribe("c", SubscribeOptions{Encoding: raw})
		return errors.Is(err, ErrLeft)
	})
	f.stall(false)
	run.runAll()
	waitFor(t, func() bool { run.runAll(); return f.wasClosed() == codeGoingAway })
	if err := <-done; err != nil {
		t.Error(err)
	}
	waitFor(t, func() bool { return quiet(h) })
	f.hadAtTheEnd(t, "it", 0, 1, 2)
}

// Hub.Disconnect takes effect after the messages accepted before it, also those of a topic that is
// being left.
func TestKickDuringASlowUnsubscribe(t *testing.T) {
	var run manual
	h := New(Options{Workers: run.on(1)})
	l := &last{fake: fake{stalled: true}}
	m := newMember(t, h, l, "ada")
	subscribe(t, m, "x", SubscribeOptions{Encoding: raw})
	for n := range uint64(5) {
		publish(t, h, "x", n)
		run.runAll()
	}
	if err := m.Unsubscribe("x"); err != nil {
		t.Fatal(err)
	}
	h.Disconnect(UserTopic("ada"), CloseReason{Code: 4001, Text: "over"})
	h.Disconnect(UserTopic("ada"), CloseReason{Code: 4001, Text: "over"})
	m.endAll(&closeAction{CloseReason{Code: 4001, Text: "again"}})
	l.stall(false)
	run.runAll()
	l.hadAtTheEnd(t, "it", 0, 1, 2, 3, 4)
}

// glutton takes the first message, drains every time, and refuses all later messages.
type glutton struct {
	fake
	took bool
}

func (g *glutton) Send(Encoded) netpoll.Outcome {
	if g.took {
		return netpoll.Full
	}
	g.took = true
	return netpoll.Queued
}

// Dropped messages of a subscription that has left are counted.
func TestGivenUpIsCounted(t *testing.T) {
	var run manual
	h := New(Options{Workers: run.on(1)})
	g := new(glutton)
	if _, err := h.Subscribe("x", &g.sub, g, SubscribeOptions{Encoding: raw}); err != nil {
		t.Fatal(err)
	}
	for n := range uint64(4) {
		publish(t, h, "x", n)
	}
	g.took = true
	g.sub.Unsubscribe()
	run.runAll()
	if dropped := h.Stats().Dropped; dropped != 4 || !quiet(h) {
		t.Errorf("%d were dropped, want 4", dropped)
	}
}

// Unsubscribing with little or no backlog does not copy what the topic holds, and a snapshot is
// freed when no subscription needs it.
func TestUnsubscribeCostsWhatIsOwed(t *testing.T) {
	const keys, rounds = 5000, 100
	for _, slow := range []SlowPolicy{DropOldest, Conflate} {
		var run manual
		h := New(Options{Workers: run.on(1), Topic: func(string) *TopicOptions {
			return &TopicOptions{Slow: slow, History: History{Messages: keys, Age: time.Hour}, Limit: Limit{Messages: 2 * keys}}
		}})
		m := newMember(t, h, new(fake), "")
		say := func(key int) {
			msg := number(1)
			msg.Key = fmt.Sprint(key)
			if _, err := h.Publish("x", msg); err != nil {
				t.Fatal(err)
			}
		}
		for k := range keys {
			say(k)
		}
		before := allocated()
		for n := range rounds {
			subscribe(t, m, "x", SubscribeOptions{Encoding: raw})
			if n%2 == 0 {
				say(n % 7)
			}
			if n%4 == 0 {
				run.runAll()
			}
			if err := m.Unsubscribe("x"); err != nil {
				t.Fatal(err)
			}
		}
		run.runAll()
		if each := (allocated() - before) / rounds; each > 32<<10 { // the keys' entries are 200 KB
			t.Errorf("%v: to subscribe and unsubscribe allocates %d bytes", slow, each)
		} else {
			t.Logf("%v: %d bytes each", slow, each)
		}
		runtime.GC()
		for _, s := range h.lookup("x").log.segs {
			if s.snap.Value() != nil {
				t.Errorf("%v: a snapshot stays", slow)
			}
		}
	}
}

// allocated returns how many bytes have been allocated since the program began.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
