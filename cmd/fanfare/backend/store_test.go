package backend

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// The queue agrees with a simple model, whatever is pushed, popped and removed.
func TestQueueAgainstModel(t *testing.T) {
	q := newQueue()
	var all []*flight
	r := rand.New(rand.NewPCG(1, 2))
	weight := func(o owner) (n int) {
		for _, f := range all {
			if f.owner == o {
				n++
			}
		}
		return n
	}
	owners := []owner{{user: "a"}, {user: "b"}, {user: "c"}, {}}
	for range 20_000 {
		switch i := r.IntN(5); {
		case i < 2 && len(all) < 60:
			f := &flight{owner: owners[min(r.IntN(4), r.IntN(4))]}
			q.push(f)
			all = append(all, f)
		case i == 2:
			f := q.pop()
			if f == nil {
				break
			}
			at := slices.Index(all, f)
			if earlier := slices.IndexFunc(all, func(g *flight) bool { return g.owner == f.owner }); earlier != at {
				t.Fatal("not the oldest flight of its owner")
			}
			all = slices.Delete(all, at, at+1)
		case len(all) > 0:
			at := r.IntN(len(all))
			if !q.remove(all[at]) || q.remove(all[at]) {
				t.Fatal("removed not exactly once")
			}
			all = slices.Delete(all, at, at+1)
		}
		most := 0
		for _, o := range owners {
			most = max(most, weight(o))
		}
		than := owners[r.IntN(4)]
		switch f := q.heavier(than); {
		case f == nil && most >= weight(than)+2, f != nil && (weight(f.owner) != most || most < weight(than)+2):
			t.Fatalf("the heaviest owner has %d, the other %d: %+v", most, weight(than), f)
		case q.size != len(all) || q.most != most || len(q.lines) != q.turns.Len():
			t.Fatalf("size %d of %d, most %d of %d", q.size, len(all), q.most, most)
		}
	}
}

func TestCache(t *testing.T) {
	c := newCache(1000)
	now := time.Now()
	put := func(key byte, bytes int) {
		c.put(digest{key}, reply{answer: Answer{User: string(rune(key))}}, bytes, now.Add(time.Minute))
	}
	has := func(keys string) {
		t.Helper()
		for key := range byte('f') {
			r, ok := c.get(digest{key}, now)
			if want := slices.Contains([]byte(keys), key); ok != want || ok && r.answer.User != string(rune(key)) {
				t.Errorf("%c is kept: %v, want %v", key, ok, want)
			}
		}
	}
	put('a', 100)
	put('b', 100)
	put('c', 100) // 900 bytes now
	c.get(digest{'a'}, now)
	put('d', 50)
	has("acd")
	put('c', 0)
	has("acd")
	put('c', 801)
	has("ad") // too large to be kept at all
	put('e', 800)
	has("e")
	if c.bytes != 1000 || c.recent.Len() != 1 {
		t.Errorf("%d bytes, %d answers", c.bytes, c.recent.Len())
	}
	now = now.Add(time.Minute)
	has("")
	if c.bytes != 0 || c.recent.Len() != 0 {
		t.Errorf("%d bytes, %d answers", c.bytes, c.recent.Len())
	}
}
