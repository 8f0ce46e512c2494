package hub

import (
	"fmt"
	"runtime"
	"testing"
)

// weigh returns the heap that make has allocated for each of n, as long as what it
// returns is referred to.
func weigh(n int, make func() any) float64 {
	before := heap()
	kept := make()
	after := heap()
	runtime.KeepAlive(kept)
	return float64(int64(after)-int64(before)) / float64(n)
}

// manyTopics subscribes each member to the given number of topics, which begin with that, or exist
// already with other subscribers.
func manyTopics(tb testing.TB, h *Hub, members int, names []string) []*Member {
	all := make([]*Member, members)
	for i := range all {
		all[i] = newMember(tb, h, new(null), "")
		for k := range names {
			subscribe(tb, all[i], names[k], SubscribeOptions{Encoding: raw})
		}
	}
	return all
}

func topicNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("topic.%06d", i)
	}
	return names
}

// Bytes of heap for each subscription: of one connection to 10,000 topics that exist,
// and to as many that only it has; of a million members in a topic of their own each; of
// connections with one topic, in all, and of who is present.
func BenchmarkMemory(b *testing.B) {
	grown := func(members int) *Hub { // a hub whose 10,000 topics have that many subscribers
		var m manual
		h := New(Options{Workers: m.on(1)})
		manyTopics(b, h, members, topicNames(10_000))
		return h
	}
	for name, f := range map[string]func() float64{
		"one-of-10000-existing": func() float64 {
			names := topicNames(10_000)
			h := grown(64) // so that the lists have room for some more: it is counted below
			return weigh(64*len(names), func() any { return manyTopics(b, h, 64, names) })
		},
		"one-of-10000-own": func() float64 {
			names := topicNames(10_000)
			return weigh(len(names), func() any {
				var m manual
				h := New(Options{Workers: m.on(1)})
				return manyTopics(b, h, 1, names)
			})
		},
		"million-topics-of-one": func() float64 {
			names := topicNames(1_000_000)
			return weigh(len(names), func() any {
				var m manual
				h := New(Options{Workers: m.on(1)})
				all := make([]*null, len(names))
				for i := range all {
					all[i] = new(null)
					if _, err := h.Subscribe(names[i], &all[i].sub, all[i], SubscribeOptions{Encoding: raw}); err != nil {
						b.Fatal(err)
					}
				}
				return all
			})
		},
		"member-of-one-topic": func() float64 {
			return weigh(100_000, func() any {
				var m manual
				h := New(Options{Workers: m.on(1)})
				return manyTopics(b, h, 100_000, []string{"x"})
			})
		},
		"member-of-one-topic-present": func() float64 {
			return weigh(100_000, func() any {
				var m manual
				h := New(Options{Workers: m.on(1), Topic: func(string) *TopicOptions { return &TopicOptions{Presence: true} }})
				all := manyTopics(b, h, 100_000, []string{"x"})
				all[0].Subscription("x").shard.topic.presence.tell()
				return all
			})
		},
	} {
		b.Run(name, func(b *testing.B) {
			var bytes float64
			for b.Loop() {
				bytes = f()
			}
			b.ReportMetric(bytes, "B/subscription")
			b.ReportMetric(0, "ns/op")
		})
	}
}
