package hub

import (
	"fmt"
	"slices"
	"testing"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// numberCost is how much one of the test's messages counts towards a limit.
const numberCost = 8 + entryCost

// limits are two limits under which n of the test's messages may wait.
func limits(n int) map[string]Limit {
	return map[string]Limit{"messages": {Messages: n}, "bytes": {Bytes: n*numberCost + numberCost - 1}}
}

// slowHub returns a hub whose topics have these options.
func slowHub(m *manual, o TopicOptions) *Hub {
	return New(Options{Workers: m.on(1), Topic: func(string) *TopicOptions { return &o }})
}

// upTo returns from, from+1, ..., to.
func upTo(from, to uint64) (all []uint64) {
	for n := from; n <= to; n++ {
		all = append(all, n)
	}
	return all
}

// publishEach publishes and delivers one message after the other; publishAll delivers them all at
// once.
func publishEach(t *testing.T, h *Hub, m *manual, from, to uint64) {
	for n := from; n <= to; n++ {
		publish(t, h, "x", n)
		m.runAll()
	}
}

func publishAll(t *testing.T, h *Hub, m *manual, from, to uint64) {
	for n := from; n <= to; n++ {
		publish(t, h, "x", n)
	}
	m.runAll()
}

func (f *fake) expect(t *testing.T, want ...uint64) {
	t.Helper()
	if got := f.received(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// eachWay runs a test with limits in messages and in bytes, and with messages that are delivered
// one by one and all at once.
func eachWay(t *testing.T, o TopicOptions, n int, test func(*testing.T, *manual, *Hub, func(*testing.T, *Hub, *manual, uint64, uint64))) {
	for what, limit := range limits(n) {
		for way, publish := range map[string]func(*testing.T, *Hub, *manual, uint64, uint64){"each": publishEach, "all": publishAll} {
			t.Run(what+"/"+way, func(t *testing.T) {
				m := new(manual)
				o.Limit = limit
				h := slowHub(m, o)
				test(t, m, h, publish)
			})
		}
	}
}

func TestDisconnect(t *testing.T) {
	eachWay(t, TopicOptions{}, 5, func(t *testing.T, m *manual, h *Hub, publishes func(*testing.T, *Hub, *manual, uint64, uint64)) {
		f, fast := (&fake{stalled: true}).join(t, h, "x"), (&fake{}).join(t, h, "x")
		publishes(t, h, m, 1, 1)
		publishes(t, h, m, 2, 6)
		f.drain() // five waited: that is not too much
		m.runAll()
		f.expect(t, upTo(1, 6)...)
		publishes(t, h, m, 7, 11)
		if f.closed != 0 {
			t.Fatal("closed within the limit")
		}
		publishes(t, h, m, 12, 12)
		if f.closed != codeTooSlow {
			t.Fatalf("closed with %d, want 1013", f.closed)
		}
		publishes(t, h, m, 13, 20)
		f.sub.Unsubscribe()
		fast.expect(t, upTo(1, 20)...)
		ts, _ := h.Topic("x")
		if ts.Evicted != 1 || ts.Dropped != 0 || ts.Lagging != 0 || ts.Held != 0 || h.Stats().Evicted != 1 {
			t.Errorf("stats %+v", ts)
		}
	})
}

func TestDropNewest(t *testing.T) {
	eachWay(t, TopicOptions{Slow: DropNewest}, 5, func(t *testing.T, m *manual, h *Hub, publishes func(*testing.T, *Hub, *manual, uint64, uint64)) {
		f, fast := (&fake{stalled: true}).join(t, h, "x"), (&fake{}).join(t, h, "x")
		publishes(t, h, m, 1, 1)
		publishes(t, h, m, 2, 3000)
		f.stall(false)
		m.runAll()
		f.expect(t, upTo(1, 6)...)
		publishes(t, h, m, 3001, 3010)
		f.expect(t, append(upTo(1, 6), upTo(3001, 3010)...)...)
		checkDropped(t, h, f, 2994)
		fast.expect(t, upTo(1, 3010)...)
	})
}

func TestDropOldest(t *testing.T) {
	eachWay(t, TopicOptions{Slow: DropOldest}, 5, func(t *testing.T, m *manual, h *Hub, publishes func(*testing.T, *Hub, *manual, uint64, uint64)) {
		f, fast := (&fake{stalled: true}).join(t, h, "x"), (&fake{}).join(t, h, "x")
		publishes(t, h, m, 1, 1)
		publishes(t, h, m, 2, 3000)
		f.stall(false)
		m.runAll()
		f.expect(t, append(upTo(1, 1), upTo(2996, 3000)...)...)
		publishes(t, h, m, 3001, 3010)
		f.expect(t, append(upTo(1, 1), upTo(2996, 3010)...)...)
		checkDropped(t, h, f, 2994)
		fast.expect(t, upTo(1, 3010)...)
	})
}

func checkDropped(t *testing.T, h *Hub, f *fake, want int64) {
	t.Helper()
	ts, _ := h.Topic("x")
	if f.sub.Dropped() != want || ts.Dropped != want || h.Stats().Dropped != want || f.dropped != want {
		t.Errorf("dropped %d, by the topic %d, by the hub %d, OnDrop was told of %d; want %d", f.sub.Dropped(), ts.Dropped, h.Stats().Dropped, f.dropped, want)
	}
	if f.closed != 0 || ts.Lagging != 0 || ts.Held != 0 {
		t.Errorf("closed with %d; %+v", f.closed, ts)
	}
}

// keyed is number n about one of the keys 0, 1, 2 in turn.
func keyed(t *testing.T, h *Hub, n uint64) {
	m := number(n)
	m.Key = fmt.Sprint(n % 3)
	if _, err := h.Publish("x", m); err != nil {
		t.Fatal(err)
	}
}

func TestConflate(t *testing.T) {
	m := new(manual)
	h := slowHub(m, TopicOptions{Slow: Conflate})
	f := (&fake{stalled: true}).join(t, h, "x")
	keyed(t, h, 0)
	m.runAll()
	for n := range uint64(1000) {
		keyed(t, h, n+1)
		m.runAll()
	}
	publish(t, h, "x", 5000) // without a key nothing is superseded
	publish(t, h, "x", 5001)
	m.runAll()
	f.stall(false)
	m.runAll()
	f.expect(t, 0, 998, 999, 1000, 5000, 5001)
	checkDropped(t, h, f, 997)
}

// A batch has only the latest message for each key, and a subscriber that takes everything is
// told that it did not get the superseded ones.
func TestConflateInABatch(t *testing.T) {
	m := new(manual)
	h := slowHub(m, TopicOptions{Slow: Conflate})
	f := (&fake{}).join(t, h, "x")
	for n := range uint64(300) {
		keyed(t, h, n)
	}
	m.runAll()
	f.expect(t, 297, 298, 299)
	checkDropped(t, h, f, 297)
	if f.writes != 1 {
		t.Errorf("%d writes", f.writes)
	}
}

func TestConflateKeepsNoMoreThanTheLimit(t *testing.T) {
	for what, limit := range limits(2) {
		t.Run(what, func(t *testing.T) {
			m := new(manual)
			h := slowHub(m, TopicOptions{Slow: Conflate, Limit: limit})
			f := (&fake{stalled: true}).join(t, h, "x")
			for n := range uint64(30) {
				keyed(t, h, n)
				m.runAll()
			}
			f.stall(false)
			m.runAll()
			f.expect(t, 0, 28, 29)
			checkDropped(t, h, f, 27)
		})
	}
}

// refusing refuses its first writes.
type refusing struct {
	fake
	times int
}

func (r *refusing) Send(p Encoded) netpoll.Outcome {
	if r.times > 0 {
		r.times--
		return netpoll.Full
	}
	return r.fake.Send(p)
}

// A superseded message is counted once, no matter how often the remaining ones are refused.
func TestRefusedIsNotCountedTwice(t *testing.T) {
	m := new(manual)
	h := slowHub(m, TopicOptions{Slow: Conflate})
	r := &refusing{times: 2 * (maxRefused - 1)} // batches and single messages
	if _, err := h.Subscribe("x", &r.sub, r, SubscribeOptions{Encoding: raw}); err != nil {
		t.Fatal(err)
	}
	for n := range uint64(30) {
		keyed(t, h, n)
	}
	m.runAll()
	r.expect(t, 27, 28, 29)
	checkDropped(t, h, &r.fake, 27)
}

// A subscriber that has drained and still refuses is evicted eventually.
func TestRefusingForEver(t *testing.T) {
	for _, slow := range []SlowPolicy{Disconnect, DropNewest, DropOldest, Conflate} {
		m := new(manual)
		h := slowHub(m, TopicOptions{Slow: slow})
		r := &refusing{times: 1 << 30}
		if _, err := h.Subscribe("x", &r.sub, r, SubscribeOptions{Encoding: raw}); err != nil {
			t.Fatal(err)
		}
		publishAll(t, h, m, 1, 3)
		if asked := 1<<30 - r.times; r.closed != codeTooSlow || asked > 2*maxRefused+1 {
			t.Errorf("%v: closed with %d after being asked %d times", slow, r.closed, asked)
		}
		r.sub.Unsubscribe()
		if n := len(h.Topics()); n != 0 {
			t.Errorf("%v: %d topics are left", slow, n)
		}
	}
}

// resume subscribes f after an offset of the topic x.
func (f *fake) resume(t *testing.T, h *Hub, offset uint64) {
	t.Helper()
	ts, _ := h.Topic("x")
	p := Position{ts.Position.Epoch, offset}
	if at, err := h.Subscribe("x", &f.sub, f, SubscribeOptions{Encoding: raw, Start: Start{After: &p}}); err != nil || at != p {
		t.Fatalf("resumed at %v, %v; want %v", at, err, p)
	}
}

// A subscriber that resumes gets everything that it missed, while others publish, even if that is
// more than a connected subscriber may lag behind by.
func TestResumeBeyondTheLimit(t *testing.T) {
	for _, slow := range []SlowPolicy{Disconnect, DropNewest, DropOldest} {
		m := new(manual)
		h := slowHub(m, TopicOptions{Slow: slow, Limit: Limit{Messages: 3}, History: History{Messages: 5000}})
		publishAll(t, h, m, 1, 3000)
		f := &fake{stalled: true}
		f.resume(t, h, 10)
		for n := uint64(3001); n <= 3050; n++ {
			publishAll(t, h, m, n, n)
			f.drain()
		}
		m.runAll()
		f.expect(t, upTo(11, 3050)...)
		if f.closed != 0 || f.sub.Dropped() != 0 {
			t.Errorf("%v: closed with %d, dropped %d", slow, f.closed, f.sub.Dropped())
		}
		f.stall(true)
		publishEach(t, h, m, 3051, 3060) // from here on the usual limit holds
		if slow == Disconnect && f.closed == 0 || slow != Disconnect && f.sub.Dropped() != 6 {
			t.Errorf("%v: closed with %d, dropped %d", slow, f.closed, f.sub.Dropped())
		}
	}
}

// History is trimmed beyond the position of a subscriber that stalls during its replay.
func TestResumeThatIsOvertaken(t *testing.T) {
	for _, slow := range []SlowPolicy{Disconnect, DropNewest, DropOldest} {
		m := new(manual)
		h := slowHub(m, TopicOptions{Slow: slow, Limit: Limit{Messages: 3}, History: History{Messages: 10}})
		publishAll(t, h, m, 1, 10)
		f := &fake{stalled: true}
		f.resume(t, h, 0)
		m.runAll()
		f.expect(t, upTo(1, 10)...)
		publishEach(t, h, m, 11, 20)
		if f.closed != 0 || f.sub.Dropped() != 0 {
			t.Fatalf("%v: closed with %d, dropped %d, although all is held", slow, f.closed, f.sub.Dropped())
		}
		publishEach(t, h, m, 21, 40)
		f.stall(false)
		m.runAll()
		if slow == Disconnect {
			if f.closed != codeTooSlow {
				t.Errorf("closed with %d", f.closed)
			}
			continue
		}
		f.expect(t, append(upTo(1, 10), upTo(31, 40)...)...)
		if n := f.sub.Dropped(); n != 20 {
			t.Errorf("%v: dropped %d, want 20", slow, n)
		}
	}
}

// inviting runs a function within its first delivery.
type inviting struct {
	fake
	first func()
}

func (s *inviting) Send(p Encoded) netpoll.Outcome {
	if f := s.first; f != nil {
		s.first = nil
		f()
	}
	return s.fake.Send(p)
}

// A subscriber that resumes in the middle of the batch of the pass under way gets the rest of the
// batch, although the pass does not reach it.
func TestResumeWithinAPass(t *testing.T) {
	m := new(manual)
	h := New(Options{Workers: m.on(1)})
	late, later := new(fake), new(fake)
	s := &inviting{first: func() {
		late.resume(t, h, 1)
		later.join(t, h, "x")
	}}
	if _, err := h.Subscribe("x", &s.sub, s, SubscribeOptions{Encoding: raw}); err != nil {
		t.Fatal(err)
	}
	publishAll(t, h, m, 1, 3)
	publishAll(t, h, m, 4, 4)
	s.expect(t, 1, 2, 3, 4)
	late.expect(t, 2, 3, 4)
	later.expect(t, 4)
}

// A subscriber that leaves during a pass while it lags behind does not keep the topic alive.
func TestLaggardLeavesWithinAPass(t *testing.T) {
	m := new(manual)
	h := New(Options{Workers: m.on(1)})
	slow := (&fake{stalled: true}).join(t, h, "x")
	s := &inviting{}
	if _, err := h.Subscribe("x", &s.sub, s, SubscribeOptions{Encoding: raw}); err != nil {
		t.Fatal(err)
	}
	publishAll(t, h, m, 1, 1)
	s.first = func() {
		slow.sub.Unsubscribe()
		s.sub.Unsubscribe()
	}
	publishAll(t, h, m, 2, 2)
	if all := h.Topics(); len(all) != 0 {
		t.Errorf("left is %+v", all)
	}
	slow.drain()
	m.runAll()
	slow.expect(t, 1, 2) // both were published before it left
}

// A subscriber that has left during a pass is not closed, although the topic drops at once the
// messages that it has not got. If it never takes them they count as dropped, and no later ones
// do.
func TestLeftSubscriberIsNotTooSlow(t *testing.T) {
	for _, slow := range []SlowPolicy{Disconnect, DropNewest, DropOldest, Conflate} {
		m := new(manual)
		h := slowHub(m, TopicOptions{Slow: slow, Limit: Limit{Bytes: 3 * numberCost}, History: History{Messages: 2}})
		s := &inviting{}
		s.first = func() {
			s.sub.Unsubscribe()
			for n := range uint64(10) {
				publish(t, h, "x", n)
			}
			s.full = true
		}
		if _, err := h.Subscribe("x", &s.sub, s, SubscribeOptions{Encoding: raw}); err != nil {
			t.Fatal(err)
		}
		publishAll(t, h, m, 1, 2)
		if s.closed != 0 || s.sub.Dropped() != 2 || s.dropped != 2 {
			t.Errorf("%v: closed with %d, dropped %d, told of %d", slow, s.closed, s.sub.Dropped(), s.dropped)
		}
		if ts, _ := h.Topic("x"); ts.Lagging != 0 || ts.Evicted != 0 || ts.Subscribers != 0 {
			t.Errorf("%v: %+v", slow, ts)
		}
	}
}

// A publisher that helps with a pass does not swallow the wake-up for a message that another
// publishes meanwhile.
func TestHelpLosesNoWakeUp(t *testing.T) {
	h := New(Options{})
	n := new(int)
	var s Subscription
	if _, err := h.Subscribe("x", &s, &countingSink{n}, SubscribeOptions{Encoding: raw}); err != nil {
		t.Fatal(err)
	}
	big := Message{Kind: Binary, Data: (make([]byte, maxPending))}
	const rounds, publishers = 300, 3
	for i := range rounds {
		done := make(chan struct{})
		for range publishers {
			go func() {
				_, _ = h.Publish("x", big)
				done <- struct{}{}
			}()
		}
		for range publishers {
			<-done
		}
		waitFor(t, func() bool { return quiet(h) })
		if want := (i + 1) * publishers; *n != want {
			t.Fatalf("%d of %d delivered", *n, want)
		}
	}
}
