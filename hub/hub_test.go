package hub

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/fanfare-ws/fanfare/netpoll"
)

func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "news", "prices.eur-usd", "Käse", "a:b_c~d@e", strings.Repeat("x", 255), "日本.東京"} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "a b", "a/b", "a*", ">", "a..b", ".a", "a.", "a\nb", "a\x00", "\xff", strings.Repeat("x", 256), "a\u00a0b"} {
		if err := CheckName(name); err == nil {
			t.Errorf("%q: no error", name)
		}
	}
}

func TestEachGetsWhatIsPublishedWhileSubscribed(t *testing.T) {
	var m manual
	h := New(Options{Workers: m.on(2)})
	a := (&fake{}).join(t, h, "x")
	if rc := publish(t, h, "x", 1); rc.Receivers != 1 || rc.Position.Offset != 1 {
		t.Errorf("published as %+v, want 1 receiver and offset 1", rc)
	}
	// 1 is pending: b must not get it, although the pass that delivers it runs later.
	b := (&fake{}).join(t, h, "x")
	c := (&fake{loop: 1}).join(t, h, "x")
	publish(t, h, "x", 2)
	publish(t, h, "x", 3)
	m.runAll()
	publish(t, h, "x", 4)
	c.sub.Unsubscribe() // has not got 4 yet
	c.sub.Unsubscribe() // does nothing
	m.runAll()
	publish(t, h, "y", 5)
	m.runAll()
	for who, want := range map[*fake][]uint64{a: {1, 2, 3, 4}, b: {2, 3, 4}, c: {2, 3, 4}} {
		if got := who.received(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if a.writes != 2 {
		t.Errorf("three pending messages and then one took %d writes, want 2", a.writes)
	}
	if s := h.Stats(); s.Published != 5 || s.Delivered != 10 || s.Topics != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestPublisherIsLeftOut(t *testing.T) {
	var m manual
	h := New(Options{Workers: m.on(2)})
	a, b := (&fake{}).join(t, h, "x"), (&fake{loop: 1}).join(t, h, "x")
	except := func(f *fake, m Message) Message {
		m.Exclude = f
		return m
	}
	a.sub.Publish(except(a, number(1)))
	b.sub.Publish(except(b, number(2)))
	a.sub.Publish(number(3))
	a.sub.Publish(except(a, number(4)))
	m.runAll()
	if got := a.received(); !slices.Equal(got, []uint64{2, 3}) {
		t.Errorf("a got %v, want 2 3", got)
	}
	if got := b.received(); !slices.Equal(got, []uint64{1, 3, 4}) {
		t.Errorf("b got %v, want 1 3 4", got)
	}
	b.sub.Publish(number(5))
	m.runAll()
	if got := a.received(); !slices.Equal(got, []uint64{2, 3, 5}) {
		t.Errorf("a got %v, want 2 3 5", got)
	}
}

func TestTopicEndsWithItsLastSubscriber(t *testing.T) {
	h := New(Options{})
	a, b := (&fake{}).join(t, h, "x"), (&fake{}).join(t, h, "x")
	a.sub.Unsubscribe()
	if len(h.Topics()) != 1 {
		t.Fatal("gone too early")
	}
	b.sub.Unsubscribe()
	if len(h.Topics()) != 0 {
		t.Fatal("still there")
	}
	if _, err := h.Subscribe("x", &a.sub, a, SubscribeOptions{Encoding: raw}); err == nil {
		t.Error("a Subscription could be used twice")
	}
	(&fake{}).join(t, h, "x")
	if len(h.Topics()) != 1 {
		t.Fatal("did not begin again")
	}
	if _, err := h.Subscribe("a b", new(Subscription), a, SubscribeOptions{Encoding: raw}); err == nil {
		t.Error("subscribed to a name that is none")
	}
	if _, err := h.Publish("", number(1)); err == nil {
		t.Error("published to a name that is none")
	}
}

// A publisher that is faster than the fan-out waits, and memory is bounded.
func TestPublisherIsSlowedDown(t *testing.T) {
	var m manual
	h := New(Options{Workers: m.on(1)})
	big := Message{Kind: Binary, Data: (make([]byte, 1<<20))}
	deliveries := 0
	sink := &countingSink{&deliveries}
	var s Subscription
	if _, err := h.Subscribe("y", &s, sink, SubscribeOptions{Encoding: raw}); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := h.Publish("y", big); err != nil {
			t.Fatal(err)
		}
		if n := s.shard.topic.log.cost; n > maxPending+uint64(len(big.Data))+entryCost {
			t.Fatalf("%d bytes are pending", n)
		}
	}
	if deliveries == 0 {
		t.Fatal("nothing was delivered by the publisher, whose task never runs")
	}
	m.runAll()
	if deliveries != 100 {
		t.Fatalf("%d of 100 delivered", deliveries)
	}
}

type countingSink struct{ n *int }

func (countingSink) Loop() int { return 0 }
func (s *countingSink) Send(p Encoded) netpoll.Outcome {
	*s.n += len(payloads(p))
	return netpoll.Sent
}
func (*countingSink) WhenDrained(t interface{ Schedule() }) { t.Schedule() }
func (countingSink) Close(CloseReason)                      {}

// A subscriber may unsubscribe from within a delivery: its Close may do that.
func TestUnsubscribeDuringPass(t *testing.T) {
	var m manual
	h := New(Options{Workers: m.on(1)})
	all := make([]*fake, 200)
	for i := range all {
		all[i] = (&fake{}).join(t, h, "x")
	}
	leaver := &leaver{others: all}
	if _, err := h.Subscribe("x", &leaver.sub, leaver, SubscribeOptions{Encoding: raw}); err != nil {
		t.Fatal(err)
	}
	late := (&fake{}).join(t, h, "x")
	publish(t, h, "x", 1)
	m.runAll()
	publish(t, h, "x", 2)
	m.runAll()
	for i, f := range all {
		want := []uint64{1, 2}
		if i%2 == 0 {
			want = want[:1]
		}
		if got := f.received(); !slices.Equal(got, want) {
			t.Fatalf("%d got %v, want %v", i, got, want)
		}
	}
	if got := late.received(); !slices.Equal(got, []uint64{1, 2}) {
		t.Errorf("the one behind got %v", got)
	}
	if ts := h.Topics(); ts[0].Subscribers != 101 {
		t.Errorf("%d subscribers are left, want 101", ts[0].Subscribers)
	}
}

// leaver unsubscribes itself and every second other subscriber when it gets a message.
type leaver struct {
	sub    Subscription
	others []*fake
}

func (*leaver) Loop() int { return 0 }
func (l *leaver) Send(Encoded) netpoll.Outcome {
	l.sub.Unsubscribe()
	for i := 0; i < len(l.others); i += 2 {
		l.others[i].sub.Unsubscribe()
	}
	return netpoll.Closed
}
func (*leaver) WhenDrained(t interface{ Schedule() }) { t.Schedule() }
func (*leaver) Close(CloseReason)                     {}

// The property that the package promises: for each topic, a subscriber gets consecutive messages
// without gap, repetition or disorder, from its subscription on. Only for a slow subscriber they
// may end early. Publishers, subscribers that join and leave, and slow subscribers use several
// topics concurrently.
func TestOrder(t *testing.T) {
	const topics, publishers, messages, members = 3, 4, 400, 40
	h := New(Options{Workers: Goroutines(3)})
	var wg sync.WaitGroup
	var mu sync.Mutex
	var left []*visit
	var published [topics]struct {
		sync.Mutex
		n uint64
	}
	for range publishers {
		wg.Go(func() {
			for range messages {
				i := rand.IntN(topics)
				p := &published[i]
				p.Lock() // so that the test's numbers follow the topic's order
				p.n++
				publish(t, h, fmt.Sprint("t", i), p.n)
				p.Unlock()
			}
		})
	}
	for m := range members {
		wg.Go(func() {
			for range 8 {
				i := rand.IntN(topics)
				v := &visit{topic: i, fake: fake{loop: m % 3}}
				p := &published[i]
				p.Lock()
				v.from = p.n
				v.join(t, h, fmt.Sprint("t", i))
				p.Unlock()
				for range rand.IntN(200) {
					v.mu.Lock() // let some time pass, in deliveries
					v.full = v.full || rand.IntN(2000) == 0
					v.mu.Unlock()
				}
				p.Lock()
				v.to = p.n
				v.sub.Unsubscribe()
				p.Unlock()
				mu.Lock()
				left = append(left, v)
				mu.Unlock()
			}
		})
	}
	stay := make([]*visit, topics)
	for i := range stay {
		p := &published[i]
		p.Lock()
		stay[i] = &visit{topic: i, from: p.n}
		stay[i].join(t, h, fmt.Sprint("t", i))
		p.Unlock()
	}
	wg.Wait()
	for i, v := range stay {
		waitFor(t, func() bool { return uint64(len(v.received())) == published[i].n-v.from })
		v.to = published[i].n
	}
	for _, v := range append(left, stay...) {
		if err := v.check(); err != nil {
			t.Error(err)
		}
	}
}

type visit struct {
	fake
	topic    int
	from, to uint64
}

// check verifies that the messages received are from+1, from+2, ..., at most to.
func (v *visit) check() error {
	got := v.received()
	for i, n := range got {
		if n != v.from+uint64(i)+1 {
			return fmt.Errorf("topic %d from %d: message %d is number %d", v.topic, v.from, i, n)
		}
		if n > v.to {
			return fmt.Errorf("topic %d: got number %d after it left at %d", v.topic, n, v.to)
		}
	}
	if v.closed != 0 && !v.full {
		return errors.New("closed without cause")
	}
	return nil
}

func waitFor(t *testing.T, cond func() bool) {
	t.Helper()
	for range 20_000_000 {
		if cond() {
			return
		}
		yield()
	}
	t.Fatal("it did not come to be")
}

// A subscriber that blocks inside a delivery does not keep others from publishing, subscribing
// or unsubscribing: no lock is held meanwhile.
func TestNoLockIsHeldDuringDelivery(t *testing.T) {
	h := New(Options{Workers: Goroutines(2)})
	stuck := (&fake{block: make(chan struct{})}).join(t, h, "x")
	publish(t, h, "x", 1)
	other := (&fake{loop: 1}).join(t, h, "x")
	publish(t, h, "x", 2)
	waitFor(t, func() bool { return len(other.received()) == 1 })
	(&fake{}).join(t, h, "x").sub.Unsubscribe()
	if n := len(h.Topics()); n != 1 {
		t.Errorf("%d topics", n)
	}
	close(stuck.block)
	waitFor(t, func() bool { return len(stuck.received()) == 2 })
}

func TestTopicsAreBounded(t *testing.T) {
	var run manual
	h := New(Options{Workers: run.on(1), MaxTopics: 2, Topic: func(name string) *TopicOptions {
		if name == "kept" {
			return &TopicOptions{History: History{Messages: 1}}
		}
		return nil
	}})
	publish(t, h, "kept", 1)
	f := new(fake).join(t, h, "a")
	full := func(err error) {
		t.Helper()
		if !errors.Is(err, ErrTooManyTopics) || !strings.Contains(err.Error(), `there are 2, so "`) {
			t.Errorf("a third topic: %v", err)
		}
	}
	_, err := h.Publish("b", number(1))
	full(err)
	for _, name := range []string{"b", "*", "@ada"} {
		_, err = h.Subscribe(name, new(Subscription), new(fake), SubscribeOptions{Encoding: raw})
		full(err)
	}
	_, err = h.NewMember(new(fake), Identity{User: "ada"}, SubscribeOptions{Encoding: raw})
	full(err)
	publish(t, h, "a", 2)
	publish(t, h, "kept", 3)
	run.runAll()
	f.expect(t, 2)
	f.sub.Unsubscribe()
	new(fake).join(t, h, "b")
	_, err = f.sub.publish(number(4)) // as if it had begun before: its topic has ended, and there is no room for it
	full(err)
	if n := len(h.Topics()); n != 2 {
		t.Errorf("%d topics", n)
	}
}

// A handler whose Subscribe has failed may still call Publish in OnClose: it gets an error.
func TestPublishBeforeSubscribe(t *testing.T) {
	if _, err := new(Subscription).Publish(number(1)); !errors.Is(err, ErrNotSubscribed) {
		t.Errorf("the error is %v", err)
	}
}

// Nothing waits for Options.Topic but the topic that begins. It may call the hub.
func TestNothingWaitsForTopicOptions(t *testing.T) {
	asked, let := make(chan struct{}), make(chan struct{})
	var h *Hub
	h = New(Options{Topic: func(name string) *TopicOptions {
		if name == "slow" {
			close(asked)
			<-let
			h.Topics()
		}
		return nil
	}})
	f := new(fake).join(t, h, "x")
	begun := make(chan struct{})
	go func() {
		defer close(begun)
		publish(t, h, "slow", 1)
	}()
	<-asked
	publish(t, h, "x", 2)
	publish(t, h, "new", 3)
	f.gets(t, 2)
	if n, _ := h.Disconnect("x", CloseReason{}); n != 1 {
		t.Errorf("%d were disconnected", n)
	}
	close(let)
	<-begun
}

func TestTopicsComeAndGo(t *testing.T) {
	h := New(Options{Workers: Goroutines(2)})
	var wg sync.WaitGroup
	var failed atomic.Bool
	for i := range 4 {
		wg.Go(func() {
			for n := range 2000 {
				f := &fake{loop: i % 2}
				if _, err := h.Subscribe("x", &f.sub, f, SubscribeOptions{Encoding: raw}); err != nil {
					failed.Store(true)
				}
				if n%3 == 0 {
					_, _ = h.Publish("x", number(uint64(n)))
				}
				f.sub.Unsubscribe()
			}
		})
	}
	wg.Wait()
	if failed.Load() || len(h.Topics()) != 0 {
		t.Errorf("failed %v, topics %v", failed.Load(), h.Topics())
	}
}

func TestSize(t *testing.T) {
	if n := unsafe.Sizeof(Subscription{}); n > 48 {
		t.Errorf("a Subscription has %d bytes; 48 are stated", n)
	}
	if n := unsafe.Sizeof(lag{}); n > 48 {
		t.Errorf("a lag has %d bytes; 48 are stated", n)
	}
	if n := unsafe.Sizeof(shard{}); n > 112 { // there is one for each topic at least
		t.Errorf("a shard has %d bytes; more than 112 take 128", n)
	}
}

// A publisher that helps with the fan-out does not look at shards that are created meanwhile.
func TestHelpWhileShardsAreMade(t *testing.T) {
	const many = 256
	h := New(Options{Workers: Goroutines(many)})
	first := (&countingSink{new(int)})
	var s Subscription
	if _, err := h.Subscribe("x", &s, first, SubscribeOptions{Encoding: raw}); err != nil {
		t.Fatal(err)
	}
	big := Message{Kind: Binary, Data: (make([]byte, maxPending+1))}
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 50 {
			_, _ = h.Publish("x", big)
		}
	})
	wg.Go(func() {
		for i := 1; i < many; i++ {
			s := &onLoop{loop: i}
			if _, err := h.Subscribe("x", &s.sub, s, SubscribeOptions{Encoding: raw}); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}

type onLoop struct {
	sub  Subscription
	loop int
}

func (s *onLoop) Loop() int                           { return s.loop }
func (*onLoop) Send(Encoded) netpoll.Outcome          { return netpoll.Sent }
func (*onLoop) WhenDrained(t interface{ Schedule() }) { t.Schedule() }
func (*onLoop) Close(CloseReason)                     {}

// A subscriber that has room for single messages, but not for a batch, gets them one by one. It
// is evicted only when a single message does not fit.
func TestBatchThatIsTooMuch(t *testing.T) {
	var m manual
	h := New(Options{Workers: m.on(1)})
	s := &narrow{room: 5}
	if _, err := h.Subscribe("x", &s.sub, s, SubscribeOptions{Encoding: raw}); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(3) {
		publish(t, h, "x", i)
	}
	m.runAll()
	if s.got != 3 || s.closed {
		t.Fatalf("got %d of 3, closed %v", s.got, s.closed)
	}
	for i := range uint64(3) {
		publish(t, h, "x", i)
	}
	m.runAll()
	if s.got != 5 || !s.closed {
		t.Errorf("got %d, want 5; closed %v", s.got, s.closed)
	}
}

// narrow takes only single messages, as many as it has room for.
type narrow struct {
	sub       Subscription
	room, got int
	closed    bool
}

func (*narrow) Loop() int { return 0 }
func (s *narrow) Send(p Encoded) netpoll.Outcome {
	if len(payloads(p)) > 1 || s.got == s.room {
		return netpoll.Full
	}
	s.got++
	return netpoll.Sent
}
func (*narrow) WhenDrained(t interface{ Schedule() }) { t.Schedule() }
func (s *narrow) Close(CloseReason)                   { s.closed = true }

// Empty messages are bounded too, and leave no memory behind.
func TestEmptyMessagesAreBounded(t *testing.T) {
	var m manual
	h := New(Options{Workers: m.on(1)})
	n := 0
	var s Subscription
	if _, err := h.Subscribe("x", &s, &countingSink{&n}, SubscribeOptions{Encoding: raw}); err != nil {
		t.Fatal(err)
	}
	empty := Message{Kind: Binary, Data: (nil)}
	const messages = 200_000
	for range messages {
		_, _ = h.Publish("x", empty)
		if n := s.shard.topic.log.count; n > maxPending/entryCost {
			t.Fatalf("%d messages are pending", n)
		}
	}
	m.runAll()
	if l := &s.shard.topic.log; n != messages || l.segs != nil {
		t.Errorf("delivered %d; %d segments are kept", n, len(l.segs))
	}
}
