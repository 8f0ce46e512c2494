package hub

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// over reports whether the hub holds too much.
func (m *memory) over() bool { return m.held.Load() > m.limit }

// stuffed is a connection whose peer does not read. It has room for 4 MiB.
type stuffed struct {
	mu     sync.Mutex
	has    []Encoded
	size   int
	waits  []interface{ Schedule() }
	closed bool
}

func (*stuffed) Loop() int { return 0 }

func (s *stuffed) Send(e Encoded) netpoll.Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return netpoll.Closed
	case s.size+e.(*testForm).Len() > 4<<20:
		return netpoll.Full
	}
	s.has, s.size = append(s.has, e), s.size+e.(*testForm).Len()
	return netpoll.Queued
}

func (s *stuffed) WhenDrained(t interface{ Schedule() }) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waits = append(s.waits, t); s.closed {
		t.Schedule()
	}
}

func (s *stuffed) Close(CloseReason) {
	s.mu.Lock()
	waits := s.waits
	s.has, s.waits, s.closed = nil, nil, true
	s.mu.Unlock()
	for _, t := range waits {
		t.Schedule()
	}
}

// The backlog of one connection that takes nothing, in many topics, is bounded, and its topics'
// policy is applied.
func TestSilentMember(t *testing.T) {
	const topics, messages, size = 100, 24, 128 << 10
	for _, slow := range []SlowPolicy{Disconnect, DropNewest, DropOldest, Conflate} {
		t.Run(slow.String(), func(t *testing.T) {
			h := New(Options{EndTimeout: 10 * time.Millisecond, Topic: func(string) *TopicOptions {
				return &TopicOptions{Slow: slow, Limit: Limit{Bytes: 4 << 20}}
			}})
			m := newMember(t, h, new(stuffed), "")
			for k := range topics {
				subscribe(t, m, fmt.Sprint("t", k), SubscribeOptions{Encoding: wrapped})
			}
			before, most := int64(heap()), int64(0)
			for k := range topics {
				for n := range messages {
					msg := Message{Kind: Binary, Data: (make([]byte, size)), Key: fmt.Sprint(n)}
					if _, err := h.Publish(fmt.Sprint("t", k), msg); err != nil {
						t.Fatal(err)
					}
				}
				waitFor(t, func() bool { return caughtUpWith(h, fmt.Sprint("t", k)) })
				if k < 5 || k%25 == 24 {
					most = max(most, int64(heap())-before)
				}
			}
			if most > 16<<20 {
				t.Errorf("it pins %d bytes", most)
			}
			if st := h.Stats(); (slow == Disconnect) != (st.Evicted > 0) || (slow == Disconnect) != (st.Dropped == 0) {
				t.Errorf("%+v", st)
			}
			if slow != Disconnect {
				if owed := m.draining().backlog.Load(); owed <= 0 || owed > DefaultMaxBacklog+size {
					t.Errorf("%d bytes wait for it", owed)
				}
			}
			m.Leave()
			waitFor(t, func() bool { return m.draining().backlog.Load() == 0 })
			runtime.KeepAlive(h)
		})
	}
}

// The count of a member's backlog stays exact, no matter how the backlog ends.
func TestBacklogIsCounted(t *testing.T) {
	for _, slow := range []SlowPolicy{Disconnect, DropNewest, DropOldest, Conflate} {
		var run manual
		h := New(Options{Workers: run.on(1), MaxBacklog: 40 * numberCost, Topic: func(string) *TopicOptions {
			return &TopicOptions{Slow: slow, Limit: Limit{Bytes: 9 * numberCost}}
		}})
		f := new(fake)
		m := newMember(t, h, f, "")
		for k := range 10 {
			subscribe(t, m, fmt.Sprint("t", k), SubscribeOptions{Encoding: raw})
		}
		for round := range 5 {
			f.stall(true)
			for n := range uint64(30) {
				publish(t, h, fmt.Sprint("t", n%10), n)
				run.runAll()
			}
			if owed := m.draining().backlog.Load(); owed != 29*numberCost {
				t.Fatalf("%v, round %d: %d bytes wait, want %d", slow, round, owed, 29*numberCost)
			}
			f.stall(false)
			run.runAll()
			if owed := m.draining().backlog.Load(); owed != 0 || f.closed != 0 {
				t.Fatalf("%v, round %d: %d bytes wait of nothing; closed with %d", slow, round, owed, f.closed)
			}
		}
		f.stall(true)
		for n := range uint64(80) {
			publish(t, h, fmt.Sprint("t", n%10), n)
			run.runAll()
			if owed := m.draining().backlog.Load(); owed > 41*numberCost {
				t.Fatalf("%v: %d bytes wait", slow, owed)
			}
		}
		if (slow == Disconnect) != (f.closed == codeTooSlow) {
			t.Errorf("%v: closed with %d", slow, f.closed)
		}
		f.stall(false)
		run.runAll()
		m.Leave()
		run.runAll()
		if owed := m.draining().backlog.Load(); owed != 0 {
			t.Errorf("%v: %d bytes wait for one that has left", slow, owed)
		}
		if held := h.Stats().Memory; held != 0 {
			t.Errorf("%v: %d bytes are held for nobody", slow, held)
		}
	}
}

// The topics that hold most drop their oldest messages first.
func TestMemoryIsLevelled(t *testing.T) {
	h := New(Options{MaxMemory: 100 * numberCost, Topic: func(string) *TopicOptions {
		return &TopicOptions{History: History{Messages: 1000}}
	}})
	for n := range uint64(10) {
		publish(t, h, "small", n)
	}
	for n := range uint64(500) {
		publish(t, h, "large", n)
		waitFor(t, func() bool { return !h.memory.over() && !h.memory.shedding.Load() })
	}
	small, _ := h.Topic("small")
	large, _ := h.Topic("large")
	st := h.Stats()
	if small.Held != 10 || large.Held < 70 || large.Held > 90 || st.Shed != int64(500-large.Held) || st.Memory != int64(10+large.Held)*numberCost {
		t.Errorf("held are %d and %d, %+v", small.Held, large.Held, st)
	}
	all, _, err := h.History("large", Start{Last: 1000}, 1000)
	if err != nil || len(all) != large.Held || all[len(all)-1].Offset != 500 {
		t.Errorf("history has %d messages: %v", len(all), err)
	}
}

// A subscriber that waits for messages that are shed finds a gap, and its topic's policy applies.
func TestMemoryOfBacklogs(t *testing.T) {
	for _, slow := range []SlowPolicy{Disconnect, DropNewest, DropOldest} {
		h := New(Options{MaxMemory: 50 * numberCost, Topic: func(string) *TopicOptions {
			return &TopicOptions{Slow: slow, Limit: Limit{Messages: 1000}}
		}})
		f := (&fake{stalled: true}).join(t, h, "x")
		for n := range uint64(200) {
			publish(t, h, "x", n)
			waitFor(t, func() bool {
				return !h.memory.over() && !h.memory.shedding.Load() && (f.wasClosed() != 0 || caughtUpWith(h, "x"))
			})
		}
		f.stall(false)
		waitFor(t, func() bool { return f.wasClosed() != 0 || quiet(h) })
		got := len(f.received())
		if slow == Disconnect {
			if f.closed != codeTooSlow || h.Stats().Evicted != 1 {
				t.Errorf("closed with %d", f.closed)
			}
			f.sub.Unsubscribe()
			continue
		}
		if dropped := f.sub.Dropped(); f.closed != 0 || got+int(dropped) != 200 || dropped < 100 {
			t.Errorf("%v: closed with %d, got %d, dropped %d", slow, f.closed, got, dropped)
		}
	}
}

// caughtUpWith reports whether all passes have been made.
func caughtUpWith(h *Hub, name string) bool {
	t := h.lookup(name)
	if t == nil {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, sh := range t.shards {
		sh.mu.Lock()
		inPass := sh.inPass
		sh.mu.Unlock()
		if inPass || sh.members > 0 && sh.cursor != t.log.next {
			return false
		}
	}
	return true
}

// History holds the memory that its limits say, also after it has been replayed, encoded and
// compressed.
func TestHistoryStaysWithinItsLimits(t *testing.T) {
	const bytes = 2 << 20
	for _, size := range []int{10, 200, 5000} {
		var m manual
		h := New(Options{Workers: m.on(1), Topic: func(string) *TopicOptions {
			return &TopicOptions{History: History{Bytes: bytes, Age: time.Hour}}
		}})
		live := new(null)
		if _, err := h.Subscribe("x", &live.sub, live, SubscribeOptions{Encoding: wrapped}); err != nil {
			t.Fatal(err)
		}
		before := int64(heap())
		for range bytes / size {
			if _, err := h.Publish("x", Message{Kind: Binary, Data: (make([]byte, size))}); err != nil {
				t.Fatal(err)
			}
			m.runAll()
		}
		for _, e := range []Encoding{raw, wrapped} {
			again := new(null)
			if _, err := h.Subscribe("x", &again.sub, again, SubscribeOptions{Encoding: e, Start: Start{Last: 1 << 30}}); err != nil {
				t.Fatal(err)
			}
			m.runAll()
		}
		if weighs := int64(heap()) - before; weighs > bytes*5/4+1<<20 {
			t.Errorf("with messages of %d bytes %d bytes of history weigh %d", size, bytes, weighs)
		} else {
			t.Logf("messages of %d bytes: %.2f of the rule", size, float64(weighs)/bytes)
		}
		runtime.KeepAlive(h)
	}
}

// Messages kept for slow subscribers count once, no matter how many subscribers keep them.
func TestKeptCountsOnce(t *testing.T) {
	var run manual
	const members, messages = 200, 100
	h := New(Options{Workers: run.on(1), MaxMemory: 20 * messages * numberCost, Topic: func(string) *TopicOptions {
		return &TopicOptions{Slow: DropNewest, Limit: Limit{Messages: messages}}
	}})
	fakes := make([]*fake, members)
	var all []*Member
	for i := range fakes {
		fakes[i] = &fake{stalled: true}
		all = append(all, newMember(t, h, fakes[i], ""))
		subscribe(t, all[i], "x", SubscribeOptions{Encoding: raw})
	}
	for n := range uint64(4 * messages) {
		publish(t, h, "x", n)
		run.runAll()
	}
	const most = (messages + 3*maxSegment/numberCost) * numberCost // whole segments count
	if st := h.Stats(); st.Memory < messages*numberCost || st.Memory > most || st.Shed != 0 || st.Dropped != members*(3*messages-1) {
		t.Errorf("%d bytes of %d messages: %+v", messages*numberCost, messages, st)
	}
	for _, f := range fakes[1:] {
		f.stall(false)
	}
	run.runAll()
	wantGot(t, "one", fakes[1], upTo(0, messages)...)
	if held := h.Stats().Memory; held < messages*numberCost || held > most {
		t.Errorf("%d bytes are held for the last", held)
	}
	for _, m := range all {
		m.Leave()
	}
	fakes[0].stall(false)
	run.runAll()
	if held := h.Stats().Memory; held != 0 || len(h.memory.holders) != 0 {
		t.Errorf("%d bytes are held for nobody", held)
	}
}

// Messages kept for slow subscribers are part of the total. The subscribers of the topics that
// keep most lose theirs first, even if nothing more is published there, and the loss is counted.
func TestKeptIsLevelled(t *testing.T) {
	const topics, messages, limit = 20, 200, 1000
	h := New(Options{MaxMemory: limit * numberCost, Topic: func(string) *TopicOptions {
		return &TopicOptions{Slow: DropNewest, Limit: Limit{Messages: messages}}
	}})
	fakes := make([]*fake, topics)
	for k := range fakes {
		fakes[k] = (&fake{stalled: true}).join(t, h, fmt.Sprint("t", k))
		for n := range uint64(2 * messages) {
			publish(t, h, fmt.Sprint("t", k), n)
			waitFor(t, func() bool { return caughtUpWith(h, fmt.Sprint("t", k)) })
		}
		waitFor(t, func() bool { return h.Stats().Memory <= limit*numberCost && !h.memory.shedding.Load() })
	}
	keep := 0
	for k, f := range fakes {
		f.stall(false)
		waitFor(t, func() bool { ts, _ := h.Topic(fmt.Sprint("t", k)); return ts.Lagging == 0 })
		got, dropped := len(f.received()), int(f.sub.Dropped())
		if got+dropped != 2*messages {
			t.Errorf("topic %d: got %d and dropped %d, of %d", k, got, dropped, 2*messages)
		}
		if got >= messages {
			keep++
		}
	}
	if keep == 0 || keep > limit/messages {
		t.Errorf("%d have kept what was theirs", keep)
	}
	waitFor(t, func() bool { return h.Stats().Memory == 0 })
}

// As long as nothing can be shed, not every added byte triggers a search of all topics.
func TestSheddingInVain(t *testing.T) {
	const limit = 1600
	h := New(Options{MaxMemory: limit})
	passes := func(bytes int64) int64 {
		before := h.memory.passes.Load()
		h.memory.add(bytes)
		waitFor(t, func() bool { return !h.memory.shedding.Load() })
		return h.memory.passes.Load() - before
	}
	if n := passes(limit); n != 0 {
		t.Errorf("%d passes within the limit", n)
	}
	if n := passes(1); n != 1 {
		t.Errorf("%d passes at the limit", n)
	}
	for range limit / 16 {
		if n := passes(1); n != 0 {
			t.Fatalf("%d passes in vain", n)
		}
	}
	if n := passes(1); n != 1 {
		t.Errorf("%d passes when there is a sixteenth more", n)
	}
	if n := passes(-50) + passes(limit/16); n != 0 {
		t.Errorf("%d passes within another sixteenth", n)
	}
	if n := passes(1); n != 1 {
		t.Errorf("%d passes when there is more again after some was freed", n)
	}
	passes(-limit / 2)
	if n := passes(limit); n != 1 {
		t.Errorf("%d passes when the limit is passed again", n)
	}
}
