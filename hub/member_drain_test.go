package hub

import (
	"fmt"
	"testing"
)

// A subscription that waits and leaves is removed from the member's lists as soon as it ends, no
// matter how, and nothing that was forgotten stays there.
func TestDrainForgets(t *testing.T) {
	var run manual
	const topics = 1000
	h := New(Options{Workers: run.on(1)})
	f := &fake{stalled: true}
	m := newMember(t, h, f, "")
	d := m.draining()
	name := func(k int) string { return fmt.Sprint("t", k) }
	for k := range topics {
		subscribe(t, m, name(k), SubscribeOptions{Encoding: raw})
		for range 2 {
			publish(t, h, name(k), uint64(k))
			run.runAll()
		}
	}
	if len(d.waiting) != topics || d.stale != 0 {
		t.Fatalf("%d wait, %d of them for nothing", len(d.waiting), d.stale)
	}
	for k := range topics {
		if err := m.Unsubscribe(name(k)); err != nil {
			t.Fatal(err)
		}
	}
	if d.leavingCount != topics || len(d.leaving) != topics || len(d.waiting) != topics {
		t.Errorf("%d linger, by %d names; %d wait", d.leavingCount, len(d.leaving), len(d.waiting))
	}
	for k := range topics { // which cuts short what lingers there
		subscribe(t, m, name(k), SubscribeOptions{Encoding: raw})
		if lingers := topics - 1 - k; d.leavingCount != lingers || len(d.waiting)-d.stale != lingers || d.stale > len(d.waiting)/2+1 {
			t.Fatalf("%d linger, want %d; %d wait, %d of them for nothing", d.leavingCount, lingers, len(d.waiting), d.stale)
		}
	}
	if len(d.waiting) != 0 || d.leaving != nil {
		t.Errorf("%d wait, %d linger", len(d.waiting), len(d.leaving))
	}
	f.stall(false)
	run.runAll()
	for k := range topics {
		publish(t, h, name(k), uint64(topics+k))
	}
	run.runAll()
	got := f.received()
	if n := len(got); n < topics || got[n-1] < topics || len(d.waiting) != 0 || d.stale != 0 {
		t.Errorf("got %d; %d wait, %d of them for nothing", n, len(d.waiting), d.stale)
	}
}

// A slow member with the most subscriptions allowed that is disconnected, and one that
// unsubscribes from as many topics and subscribes again.
func BenchmarkSlowMemberEnds(b *testing.B) {
	for _, back := range []bool{false, true} {
		b.Run(fmt.Sprint("back=", back), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				var run manual
				const topics = DefaultMaxSubscriptions / 2
				h := New(Options{Workers: run.on(1)})
				m := newMember(b, h, &fake{stalled: true}, "u")
				for k := range topics {
					subscribe(b, m, fmt.Sprint("t", k), SubscribeOptions{Encoding: raw})
					publish(b, h, fmt.Sprint("t", k), 1)
				}
				run.runAll()
				b.StartTimer()
				if !back {
					h.Disconnect(UserTopic("u"), CloseReason{Code: 4001})
					run.runAll()
					continue
				}
				for k := range topics {
					_ = m.Unsubscribe(fmt.Sprint("t", k))
				}
				for k := range topics {
					subscribe(b, m, fmt.Sprint("t", k), SubscribeOptions{Encoding: raw})
				}
			}
		})
	}
}
