package hub

import (
	"slices"
	"testing"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// host runs a function when it gets message n, once for each n.
type host struct {
	fake
	on map[uint64]func()
}

func (h *host) Send(p Encoded) netpoll.Outcome {
	o := h.fake.Send(p)
	for _, n := range numbers(p) {
		if f := h.on[n]; f != nil {
			delete(h.on, n)
			f()
		}
	}
	return o
}

// audience subscribes first and then n others to "x", in a hub whose passes look for new
// messages after every two subscribers.
func audience(t *testing.T, first *host, n int, o Options) (h *Hub, all []*fake) {
	t.Helper()
	h = New(o)
	h.runLength = 2
	if _, err := h.Subscribe("x", &first.sub, first, SubscribeOptions{Encoding: raw}); err != nil {
		t.Fatal(err)
	}
	for range n {
		all = append(all, new(fake).join(t, h, "x"))
	}
	return h, all
}

// Messages published during a pass go in the same write to the subscribers that the pass has not
// reached. The others get them by the next pass, which costs no other subscriber a write.
func TestPassTakesInNewMessages(t *testing.T) {
	var m manual
	first := &host{on: map[uint64]func(){}}
	h, all := audience(t, first, 6, Options{Workers: m.on(1)})
	var late fake
	first.on[1] = func() {
		publish(t, h, "x", 2)
		publish(t, h, "x", 3)
		late.join(t, h, "x") // gets only later messages
		publish(t, h, "x", 4)
	}
	publish(t, h, "x", 1)
	m.runAll()
	for i, f := range append([]*fake{&first.fake}, all...) {
		writes := 1
		if i < h.runLength {
			writes = 2
		}
		if got := f.received(); !slices.Equal(got, []uint64{1, 2, 3, 4}) || f.writes != writes {
			t.Errorf("subscriber %d got %v in %d writes, want %d", i, got, f.writes, writes)
		}
	}
	wantGot(t, "the one that joined during the pass", &late, 4)
	publish(t, h, "x", 5)
	m.runAll()
	wantGot(t, "the first", &first.fake, 1, 2, 3, 4, 5)
	wantGot(t, "the last", &late, 4, 5)
	if st, _ := h.Topic("x"); st.Held != 0 {
		t.Errorf("%d messages are held for nobody", st.Held)
	}
}

// Subscribers at the same position share one encoding of the messages that they lack.
func TestRestIsShared(t *testing.T) {
	var m manual
	h := New(Options{Workers: m.on(1)})
	h.runLength = 2
	var keepers []*keeper
	for range 6 {
		k := new(keeper)
		if _, err := h.Subscribe("x", &k.sub, k, SubscribeOptions{Encoding: raw}); err != nil {
			t.Fatal(err)
		}
		keepers = append(keepers, k)
	}
	keepers[2].then = func() { publish(t, h, "x", 2) } // keepers 4 and 5 get both at once, the others 2 later
	publish(t, h, "x", 1)
	m.runAll()
	for i, k := range keepers {
		want := 2
		if i >= 4 {
			want = 1
		}
		if len(k.all) != want {
			t.Fatalf("keeper %d got %d writes, want %d", i, len(k.all), want)
		}
		for n := range k.all {
			if k.all[n] != keepers[i&^3].all[n] {
				t.Errorf("keeper %d got write %d in an encoding of its own", i, n)
			}
		}
	}
}

// keeper keeps everything that it is sent.
type keeper struct {
	fake
	all  []Encoded
	then func()
}

func (k *keeper) Send(p Encoded) netpoll.Outcome {
	k.all = append(k.all, p)
	if f := k.then; f != nil {
		k.then = nil
		f()
	}
	return k.fake.Send(p)
}

// A message that a pass takes in counts once for each subscriber: as dropped or as received, also
// for a stalled subscriber that the pass goes past.
func TestPassCountsDropsOnce(t *testing.T) {
	for _, slow := range []SlowPolicy{DropNewest, DropOldest, Conflate} {
		t.Run(slow.String(), func(t *testing.T) {
			var m manual
			first := &host{on: map[uint64]func(){}}
			h, all := audience(t, first, 6, Options{
				Workers: m.on(1),
				Topic:   func(string) *TopicOptions { return &TopicOptions{Slow: slow, Limit: Limit{Messages: 2}} },
			})
			for n := uint64(0); n < 100; n += 5 {
				first.on[n] = func() {
					for i := range uint64(4) {
						publish(t, h, "x", n+1+i)
					}
				}
			}
			stalled := all[3] // it comes after the subscribers that get the first of each five messages alone
			stalled.stall(true)
			for n := uint64(0); n < 50; n += 5 {
				publish(t, h, "x", n)
				m.runAll()
			}
			stalled.stall(false)
			m.runAll()
			for n := uint64(50); n < 100; n += 5 {
				publish(t, h, "x", n)
				m.runAll()
			}
			for i, f := range append([]*fake{&first.fake}, all...) {
				got, dropped := f.received(), int(f.dropped)
				if len(got)+dropped != 100 || !slices.IsSorted(got) {
					t.Errorf("subscriber %d got %d and lost %d of 100: %v", i, len(got), dropped, got)
				}
				if lossy := f == stalled; lossy != (dropped > 0) {
					t.Errorf("subscriber %d lost %d", i, dropped)
				}
			}
		})
	}
}
