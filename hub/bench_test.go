package hub

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/fanfare-ws/fanfare/wsproto"
)

func yield() { runtime.Gosched() }

type null struct{ sub Subscription }

func (*null) Loop() int                                      { return 0 }
func (*null) SendPrepared(*wsproto.Prepared) wsproto.Outcome { return wsproto.Sent }
func (*null) WhenDrained(t interface{ Schedule() })          { t.Schedule() }
func (*null) Close(wsproto.Code, string)                     {}

func crowd(tb testing.TB, n int) (*Hub, *manual) {
	m := new(manual)
	h := New(Options{NewTask: m.newTask})
	all := make([]null, n)
	for i := range all {
		if _, err := h.Subscribe("x", &all[i].sub, &all[i], SubscribeOptions{}); err != nil {
			tb.Fatal(err)
		}
	}
	return h, m
}

// What the hub adds to a delivery, with batches of 1 and of 64 messages.
func BenchmarkFanout(b *testing.B) {
	for _, batch := range []int{1, 64} {
		b.Run(fmt.Sprintf("subscribers=10000/batch=%d", batch), func(b *testing.B) {
			h, m := crowd(b, 10_000)
			p := Message{Prepared: wsproto.Prepare(wsproto.Binary, make([]byte, 128))}
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

// A delivery allocates nothing; a batch a few times, whatever the number of its
// receivers.
func TestDeliveryDoesNotAllocate(t *testing.T) {
	allocs := func(n int) float64 {
		h, m := crowd(t, n)
		p := number(1)
		return testing.AllocsPerRun(20, func() {
			_, _ = h.Publish("x", p)
			m.runAll()
		})
	}
	if few, many := allocs(10), allocs(10_000); many > few+1 {
		t.Errorf("%v allocations for 10 receivers, %v for 10,000", few, many)
	}
}
