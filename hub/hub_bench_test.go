package hub

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

func yield() { runtime.Gosched() }

type null struct{ sub Subscription }

func (*null) Loop() int                             { return 0 }
func (*null) Send(Encoded) netpoll.Outcome          { return netpoll.Sent }
func (*null) WhenDrained(t interface{ Schedule() }) { t.Schedule() }
func (*null) Close(CloseReason)                     {}

func crowd(tb testing.TB, n int) (*Hub, *manual) {
	m := new(manual)
	h := New(Options{Workers: m.on(1)})
	all := make([]null, n)
	for i := range all {
		if _, err := h.Subscribe("x", &all[i].sub, &all[i], SubscribeOptions{Encoding: raw}); err != nil {
			tb.Fatal(err)
		}
	}
	return h, m
}

// The cost that the hub adds to a delivery, with batches of 1 and of 64 messages.
func BenchmarkFanout(b *testing.B) {
	for _, batch := range []int{1, 64} {
		b.Run(fmt.Sprintf("subscribers=10000/batch=%d", batch), func(b *testing.B) {
			h, m := crowd(b, 10_000)
			p := Message{Kind: Binary, Data: (make([]byte, 128))}
			b.ReportAllocs()
			for b.Loop() {
				for range batch {
					_, _ = h.Publish("x", p)
				}
				m.runAll()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch*10_000), "ns/delivery")
		})
	}
}

// A delivery allocates nothing. A batch allocates a few times, no matter how many subscribers get
// it, or lag behind.
func TestDeliveryDoesNotAllocate(t *testing.T) {
	allocs := func(n int, slow SlowPolicy, every int) float64 {
		m := new(manual)
		h := New(Options{Workers: m.on(1), Topic: func(string) *TopicOptions {
			return &TopicOptions{Slow: slow, Limit: Limit{Messages: 10}}
		}})
		all := make([]null, n)
		laggards := make([]stalledOne, n/every)
		for i := range all {
			var err error
			if i%every == every-1 {
				_, err = h.Subscribe("x", &laggards[i/every].sub, &laggards[i/every], SubscribeOptions{Encoding: raw})
			} else {
				_, err = h.Subscribe("x", &all[i].sub, &all[i], SubscribeOptions{Encoding: raw})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		p := number(1)
		p.Key = "k"
		publish := func() {
			_, _ = h.Publish("x", p)
			m.runAll()
		}
		for range 20 { // until the laggards lag behind by more than the limit
			publish()
		}
		return testing.AllocsPerRun(20, publish)
	}
	const others = 100 // allocations that may come from elsewhere meanwhile
	for _, slow := range []SlowPolicy{DropNewest, DropOldest, Conflate} {
		for _, every := range []int{10, 2} {
			if few, many := allocs(10, slow, every), allocs(10_000, slow, every); many > few+others {
				t.Errorf("%v, one of %d lags behind: %v allocations for 10 receivers, %v for 10,000", slow, every, few, many)
			}
		}
	}
	if few, many := allocs(10, Disconnect, 1<<20), allocs(10_000, Disconnect, 1<<20); many > few+others {
		t.Errorf("%v allocations for 10 receivers, %v for 10,000", few, many)
	}
}

// BenchmarkMemoryBroker measures a message through a memory broker, with a subscriber at each of two nodes.
func BenchmarkMemoryBroker(b *testing.B) {
	broker := NewMemoryBroker(MemoryBrokerOptions{})
	var hubs []*Hub
	for range 2 {
		n := broker.Node()
		defer n.Close()
		hubs = append(hubs, New(Options{Broker: n}))
	}
	for _, h := range hubs {
		n := 0
		var s Subscription
		if _, err := h.Subscribe("x", &s, &countingSink{&n}, SubscribeOptions{Encoding: raw}); err != nil {
			b.Fatal(err)
		}
	}
	m := number(1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := hubs[0].Publish("x", m); err != nil {
			b.Fatal(err)
		}
	}
}

// Subscribing, publishing and unsubscribing in a topic that holds the latest messages of many keys.
func BenchmarkUnsubscribe(b *testing.B) {
	const keys = 20_000
	var run manual
	h := New(Options{Workers: run.on(1), Topic: func(string) *TopicOptions {
		return &TopicOptions{Slow: Conflate, History: History{Messages: keys, Age: time.Hour}}
	}})
	m := newMember(b, h, new(fake), "")
	say := func(key int) {
		msg := number(1)
		msg.Key = fmt.Sprint(key)
		if _, err := h.Publish("x", msg); err != nil {
			b.Fatal(err)
		}
	}
	for k := range keys {
		say(k)
	}
	b.ReportAllocs()
	for b.Loop() {
		subscribe(b, m, "x", SubscribeOptions{Encoding: raw})
		say(0)
		if err := m.Unsubscribe("x"); err != nil {
			b.Fatal(err)
		}
	}
}
