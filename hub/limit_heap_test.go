package hub

import (
	"fmt"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// cpu returns the CPU time of the process.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// seat is as large as a wsproto connection, and holds its subscription.
type seat struct {
	_   [120]byte
	sub Subscription
}

func (*seat) Loop() int                             { return 0 }
func (*seat) Send(Encoded) netpoll.Outcome          { return netpoll.Sent }
func (*seat) WhenDrained(t interface{ Schedule() }) { t.Schedule() }
func (*seat) Close(CloseReason)                     {}

const seatBytes = 176 // with its subscription, as Go allocates it

// One million subscribers of a topic: their memory, and the time of a fan-out pass over them.
func BenchmarkMillion(b *testing.B) {
	const n = 1_000_000
	m := new(manual)
	h := New(Options{Workers: m.on(1)})
	before := int64(heap())
	seats := make([]*seat, n)
	for i := range seats {
		seats[i] = new(seat)
		if _, err := h.Subscribe("x", &seats[i].sub, seats[i], SubscribeOptions{Encoding: raw}); err != nil {
			b.Fatal(err)
		}
	}
	each := float64(int64(heap())-before)/n - 8 // seats is the benchmark's
	p := Message{Kind: Binary, Data: (make([]byte, 128))}
	b.ReportAllocs()
	start := cpu()
	for b.Loop() {
		_, _ = h.Publish("x", p)
		m.runAll()
	}
	b.ReportMetric((cpu()-start).Seconds()*1e3/float64(b.N), "cpu-ms/publish")
	b.ReportMetric(each, "B/subscriber")
	b.ReportMetric(each-seatBytes+48, "hub-B/subscriber")
	if each > 320 {
		b.Errorf("a subscriber weighs %.0f bytes; at most 320 are promised", each)
	}
	runtime.KeepAlive(seats)
}

// lightTask has the size of netpoll.Task.
type lightTask struct {
	_ *int
	r Runner
	_ uint32
}

func (*lightTask) Schedule() {}

type lightWorkers int

func (n lightWorkers) Loops() int { return int(n) }

func (lightWorkers) NewTask(_ int, r Runner) Task { return &lightTask{r: r} }

// perTopic is the documented maximum of the memory of a topic with one subscriber, including its
// name in the hub's map, and its Subscription.
const perTopic = 640

// Topics with one subscriber each, which belong to as many connections, or to a single one.
func BenchmarkTopics(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				h := New(Options{Workers: lightWorkers(64)})
				to := new(seat)
				before := int64(heap())
				subs := make([]Subscription, n)
				for i := range subs {
					if _, err := h.Subscribe("user."+strconv.Itoa(i), &subs[i], to, SubscribeOptions{Encoding: raw}); err != nil {
						b.Fatal(err)
					}
				}
				each := float64(int64(heap())-before) / float64(n)
				b.ReportMetric(each, "B/subscription")
				if each > perTopic {
					b.Errorf("a topic of one subscriber weighs %.0f bytes; %d are stated", each, perTopic)
				}
				for i := range subs {
					subs[i].Unsubscribe()
				}
				runtime.KeepAlive(h)
			}
		})
	}
}

// stalledOne takes one write, which stays pending forever.
type stalledOne struct {
	sub  Subscription
	took bool
}

func (*stalledOne) Loop() int                           { return 0 }
func (*stalledOne) WhenDrained(interface{ Schedule() }) {}
func (*stalledOne) Close(CloseReason)                   {}
func (s *stalledOne) Send(Encoded) netpoll.Outcome {
	if s.took {
		return netpoll.Full
	}
	s.took = true
	return netpoll.Queued
}

// A thousand stalled subscribers of a topic, with the backlog that it allows, share that backlog.
func BenchmarkStalled(b *testing.B) {
	for _, slow := range []SlowPolicy{Disconnect, DropNewest, DropOldest, Conflate} {
		b.Run(slow.String(), func(b *testing.B) {
			for b.Loop() {
				if added := stalledBytes(b, slow, 1000); added > 8<<20 {
					b.Errorf("they add %d bytes; less than 8 MiB are promised", added)
				} else {
					b.ReportMetric(float64(added)/(1<<20), "MiB")
				}
			}
		})
	}
}

// stalledBytes returns what stalled subscribers add to a topic that had none.
func stalledBytes(tb testing.TB, slow SlowPolicy, stalled int) int64 {
	const size = 128
	m := new(manual)
	h := New(Options{Workers: m.on(1), Topic: func(string) *TopicOptions { return &TopicOptions{Slow: slow} }})
	publish := func(n int) {
		for i := range n {
			msg := Message{Kind: Binary, Data: (make([]byte, size)), Key: fmt.Sprint(i)}
			if _, err := h.Publish("x", msg); err != nil {
				tb.Fatal(err)
			}
			m.runAll()
		}
	}
	full := DefaultLimit / (size + 4 + entryCost)
	if slow != Disconnect {
		full += full / 4 // beyond the limit
	}
	joinNull(tb, h)
	publish(10)
	before := int64(heap())
	all := make([]stalledOne, stalled)
	for i := range all {
		if _, err := h.Subscribe("x", &all[i].sub, &all[i], SubscribeOptions{Encoding: raw}); err != nil {
			tb.Fatal(err)
		}
	}
	publish(full)
	if ts, _ := h.Topic("x"); ts.Lagging != stalled {
		tb.Fatalf("%d of %d lag behind", ts.Lagging, stalled)
	}
	added := int64(heap()) - before
	runtime.KeepAlive(all)
	runtime.KeepAlive(h)
	return added
}

// joinNull subscribes a subscriber to x that takes everything and keeps nothing.
func joinNull(tb testing.TB, h *Hub) {
	s := new(null)
	if _, err := h.Subscribe("x", &s.sub, s, SubscribeOptions{Encoding: raw}); err != nil {
		tb.Fatal(err)
	}
}

func TestStalledShareTheirBacklog(t *testing.T) {
	for _, slow := range []SlowPolicy{Disconnect, DropNewest, DropOldest, Conflate} {
		if added := stalledBytes(t, slow, 100); added > 4<<20 {
			t.Errorf("%v: a hundred stalled subscribers add %d bytes", slow, added)
		}
	}
}

// holder keeps its last write, as a connection does whose peer does not read.
type holder struct {
	sub  Subscription
	has  Encoded
	wait interface{ Schedule() }
}

func (*holder) Loop() int                               { return 0 }
func (s *holder) WhenDrained(t interface{ Schedule() }) { s.wait = t }
func (*holder) Close(CloseReason)                       {}
func (s *holder) Send(p Encoded) netpoll.Outcome {
	s.has = p
	return netpoll.Queued
}

// Slow subscribers that began to lag at different positions share the batches with which they
// catch up, except the first.
func TestSlowShareCatchUp(t *testing.T) {
	const slow = 1000
	m := new(manual)
	h := New(Options{Workers: m.on(1), Topic: func(string) *TopicOptions { return &TopicOptions{Slow: DropOldest} }})
	before := int64(heap())
	all := make([]holder, slow)
	for i := range all {
		if _, err := h.Subscribe("x", &all[i].sub, &all[i], SubscribeOptions{Encoding: raw}); err != nil {
			t.Fatal(err)
		}
		for range DefaultLimit / (128 + 4 + entryCost) / slow {
			_, _ = h.Publish("x", Message{Kind: Binary, Data: (make([]byte, 128))})
			m.runAll()
		}
	}
	for piece := range 5 {
		if added := int64(heap()) - before; added > 8<<20 {
			t.Errorf("with piece %d they add %d bytes", piece, added)
		} else {
			t.Logf("piece %d: %.1f MiB", piece, float64(added)/(1<<20))
		}
		for i := range all {
			if w := all[i].wait; w != nil {
				all[i].wait = nil
				w.Schedule()
			}
		}
		m.runAll()
	}
	runtime.KeepAlive(h)
	runtime.KeepAlive(all)
}
